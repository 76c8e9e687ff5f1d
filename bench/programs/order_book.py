"""A market of dataclass objects: attribute access, comparisons and method calls."""

from bisect import insort
from dataclasses import dataclass, field
from random import Random

N = 10_000
CHECK = (100, [68, 2669, 5])


@dataclass(order=True)
class Order:
    rank: tuple[int, int]
    price: int = field(compare=False)
    amount: int = field(compare=False)
    trader: str = field(compare=False)


@dataclass(frozen=True)
class Trade:
    buyer: str
    seller: str
    price: int
    amount: int


@dataclass
class Account:
    name: str
    cash: int = 0
    stock: int = 0
    trades: list[Trade] = field(default_factory=list)

    @property
    def active(self) -> bool:
        return bool(self.trades)


class Book:
    def __init__(self, accounts: dict[str, Account]) -> None:
        self.accounts = accounts
        self.bids: list[Order] = []
        self.asks: list[Order] = []
        self.trades: list[Trade] = []

    def place(self, number: int, buy: bool, price: int, amount: int, trader: str) -> None:
        """Match against the other side, then queue what is left."""
        others = self.asks if buy else self.bids
        while amount and others:
            best = others[0]
            if (best.price > price) if buy else (best.price < price):
                break
            done = min(amount, best.amount)
            pair = (trader, best.trader) if buy else (best.trader, trader)
            self.settle(Trade(*pair, price=best.price, amount=done))
            amount -= done
            best.amount -= done
            if not best.amount:
                del others[0]
        if amount:
            rank = (-price if buy else price, number)
            insort(self.bids if buy else self.asks, Order(rank, price, amount, trader))

    def settle(self, trade: Trade) -> None:
        buyer, seller = self.accounts[trade.buyer], self.accounts[trade.seller]
        buyer.cash -= trade.price * trade.amount
        seller.cash += trade.price * trade.amount
        buyer.stock += trade.amount
        seller.stock -= trade.amount
        buyer.trades.append(trade)
        seller.trades.append(trade)
        self.trades.append(trade)


def run(n: int) -> list[int]:
    """[trades, highest cash, active accounts] after n orders."""
    rng = Random(8)
    names = ["ada", "bob", "cyd", "dan", "eve"]
    accounts = {name: Account(name) for name in names}
    book = Book(accounts)
    for number in range(n):
        book.place(
            number,
            rng.random() < 0.5,
            100 + rng.randrange(-12, 13),
            rng.randrange(1, 9),
            names[rng.randrange(5)],
        )
    if sum(a.cash for a in accounts.values()) or sum(a.stock for a in accounts.values()):
        raise ValueError("cash or stock came out of nothing")
    return [
        len(book.trades),
        max(a.cash for a in accounts.values()),
        sum(a.active for a in accounts.values()),
    ]
