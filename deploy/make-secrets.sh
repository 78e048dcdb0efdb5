#!/bin/sh
# Makes what is missing of the stack's secrets, at random: one file each in deploy/secrets/ (or the folder named as argument). What is there
# stays as it is. `erp_secret` fits the sandbox; for a real tenant write its client secret there.
#
# The files are readable by all, because each container reads them as a user of its own; the folder is yours alone.
set -eu

folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

put() { # name, text
  [ -s "$folder/$1" ] && return
  printf '%s\n' "$2" > "$folder/$1.new"
  chmod 444 "$folder/$1.new"
  mv "$folder/$1.new" "$folder/$1"
}

secret() { # name
  put "$1" "$(od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n')"
}

of() { # name
  cat "$folder/$1"
}

for name in store_password finance_password finance_connector_password psa_root_password psa_password psa_connector_password \
  erp_secret grafana_password; do
  secret "$name"
done
put store_dsn "postgresql://coexist:$(of store_password)@store:5432/coexist"
put finance_dsn "postgresql://coexist:$(of finance_connector_password)@finance-db:5432/finance"
put psa_dsn "mysql://coexist:$(of psa_connector_password)@psa-db:3306/psa"
put connectors "finance=$(of finance_connector_password)
psa=$(of psa_connector_password)"
