"""Nexmark: an auction house's persons, auctions and bids, and queries over them.

The public benchmark, written from its description: events, proportions and distributions are its
own, the queries are 0 to 5, 7, 8, 11 and 12 of its list. `generator` makes the events, `queries`
has the queries as flows, `oracles` says in plain Python what must come out.
"""
