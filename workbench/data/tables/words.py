"""Words in column names by which logs of the field can be read, all lower case."""

from __future__ import annotations

USER = frozenset(
    [
        "user",
        "uid",
        "userid",
        "usr",
        "visitor",
        "visitorid",
        "member",
        "customer",
        "client",
        "account",
        "viewer",
        "reader",
        "listener",
        "buyer",
        "person",
        "player",
        "subscriber",
        "reviewer",
        "reviewerid",
        "msno",
        "cookie",
    ]
)
ITEM = frozenset(
    [
        "item",
        "iid",
        "itemid",
        "product",
        "productid",
        "movie",
        "movieid",
        "video",
        "videoid",
        "ad",
        "adid",
        "article",
        "news",
        "song",
        "track",
        "book",
        "isbn",
        "asin",
        "sku",
        "post",
        "photo",
        "note",
        "recipe",
        "course",
        "game",
        "hotel",
        "listing",
        "merchant",
        "creative",
        "banner",
        "feed",
        "poi",
        "venue",
        "goods",
        "app",
        "document",
        "doc",
    ]
)
KEY = frozenset(["id", "ids", "key", "no", "nr", "number", "hash", "code", "index", "idx"])
"""Words that may stand beside one of the above in the name of a key."""
TIME = frozenset(
    [
        "time",
        "timestamp",
        "ts",
        "date",
        "datetime",
        "day",
        "hour",
        "created",
        "when",
        "unixtime",
        "epoch",
        "at",
        "event",
        "ms",
    ]
)
LABEL = [
    "label",
    "click",
    "clicked",
    "isclick",
    "target",
    "y",
    "positive",
    "converted",
    "conversion",
    "purchase",
    "purchased",
    "buy",
    "finish",
    "finished",
    "like",
    "liked",
    "response",
]
"""Names of labels, the likeliest first."""
EVENT = frozenset(
    [
        "label",
        "click",
        "clicked",
        "clicks",
        "target",
        "converted",
        "conversion",
        "purchase",
        "purchased",
        "buy",
        "bought",
        "finish",
        "finished",
        "like",
        "liked",
        "likes",
        "comment",
        "commented",
        "share",
        "shared",
        "forward",
        "follow",
        "followed",
        "cart",
        "favorite",
        "favourite",
        "wishlist",
        "install",
        "download",
        "hate",
        "dislike",
        "skip",
        "skipped",
        "response",
    ]
)
"""Binary columns called so happen after the sample was shown."""
RATING = frozenset(["rating", "ratings", "stars", "score", "overall"])
AFTER = frozenset(
    [
        "watch",
        "watched",
        "play",
        "played",
        "dwell",
        "stay",
        "listen",
        "listened",
        "spent",
        "completion",
        "progress",
        "read",
    ]
)
"""Amounts called so are known only after the sample was shown."""
STAND_IN_USER = ("user", "device", "ip", "cookie", "session", "member")
STAND_IN_ITEM = ("ad", "item", "creative", "banner", "site", "app", "domain", "campaign")
SEQUENCE = frozenset(
    [
        "history",
        "hist",
        "seq",
        "sequence",
        "last",
        "recent",
        "past",
        "previous",
        "clicked",
        "viewed",
    ]
)
