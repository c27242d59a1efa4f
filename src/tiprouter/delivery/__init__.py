"""Delivery: signing a disclosure, sending it once, and knowing when to try again.

`signing`, `states`, `schedule` and `addresses` are pure; `dialling` opens sockets, `sender` speaks HTTP and `mail`
SMTP, and no other module of the product does so outwards. `notifying` is how pages to people leave, over either.
"""
