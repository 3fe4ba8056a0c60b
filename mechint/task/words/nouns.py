"""Nouns: people, things, places, presents and events."""

from __future__ import annotations

__all__ = ["EVENTS", "PEOPLE", "PLACES", "PRESENTS", "THINGS"]

PEOPLE = tuple(
    """
    teacher student farmer doctor driver writer painter soldier sailor lawyer singer actor worker manager officer
    visitor neighbor customer player dancer pilot nurse guard girl boy friend brother sister cousin guest prisoner
    leader judge scientist reporter king queen father mother
    """.split()
)
"""Nouns for people; their plural adds an s."""

THINGS = tuple(
    """
    key book car tree picture letter house table chair door window road river boat train ship dog cat bird horse cow
    flower garden mountain lake bridge tower wall lamp bottle plate cup bag hat coat shoe shirt ring clock phone
    computer camera bed desk paper pen pencil stone cloud star song poem map ticket cabinet basket guitar engine
    machine wheel tool farm field village town report painting statue island forest
    """.split()
)
"""Nouns for animals and things; their plural adds an s."""

PLACES = tuple(
    """
    store park school office library beach station museum hospital garden restaurant church market theater airport
    hotel bank cafe gym zoo farm harbor stadium castle village cinema lake bakery pharmacy
    """.split()
)
"""Where people go; each follows "the"."""

PRESENTS = tuple(
    """
    drink book letter key ticket basket ball computer necklace gift lamp watch coat camera guitar ring bottle box
    sandwich flower map phone pen towel blanket bag hat cup plate picture card magazine newspaper violin
    """.split()
)
"""What one person hands to another; each follows "a"."""

EVENTS = tuple(
    """
    war siege conflict campaign drought dynasty expedition journey project rebellion revolution truce voyage trial
    famine plague reign strike festival alliance dispute exhibition construction investigation occupation crisis peace
    reform treaty partnership struggle tour mission study experiment program contract negotiation depression epidemic
    exploration invasion migration renovation marriage friendship pilgrimage blockade feud tournament uprising survey
    debate boom search pursuit operation raid excavation restoration persecution recession
    """.split()
)
"""What lasts from one year to another."""
