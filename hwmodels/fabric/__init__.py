"""How packets travel: links, routers, arbitration and back-pressure.

A fabric knows packets and times. It must not know neurons, chips or networks.
"""
