"""correlate: alerts and commands in, incident events out. Which alerts belong together does not depend on their
order.
"""
