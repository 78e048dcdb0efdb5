"""The replication agent: capture → inbox → mirror → derive → decide → outbox → apply → outcome."""
