"""Delivery: signing a disclosure, sending it once, and knowing when to try again.

`signing`, `states`, `schedule` and `addresses` are pure; `dialling` opens sockets and `sender` speaks HTTP, and no
other module of the product does so outwards.
"""
