"""Inbox: the row changes of whole source transactions, durable and numbered without gaps before the source forgets them."""
