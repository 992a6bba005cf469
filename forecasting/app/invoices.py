"""The Online Retail invoices that ship with the suite, as canonical source tables.

541,909 invoice lines of a British web shop, 2010-12-01 to 2011-12-09 (Chen, Sain and Guo 2012, CC BY 4.0; see
`forecasting/data/ATTRIBUTION.md`). Raw as a warehouse holds them; these rules make tables of them and drop nothing:

- Every line becomes one row of `order_lines`, repeated ones too: an invoice may hold an item twice.
- An invoice becomes one row of `orders`, placed at the time of its first line. Times are the shop's and kept as UTC.
- Cancellations (invoices C...) are orders of their own with negative lines, as the file has them; so are corrections
  of stock (negative lines without price or customer) and adjustments of debt (invoices A...).
- An invoice whose every line was reversed within 24 hours, by cancellations of the same customer, item and quantity,
  is marked cancelled at the time of the last of them; the 80,995 paper birds that were ordered and cancelled within
  minutes are the best known. What comes back later was wanted when it was bought: a return.
- A line without a customer is a sale: its order has none.
- Items are the codes that name a product: five digits with or without letters, DCGS... (sold through another shop
  front) and PADS. Postage, carriage, fees, discounts, samples, vouchers and manual entries are lines, but no items.
- The shop delivers from one place, the location "online".
"""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pv

LOCATION = "online"
LINES = 541_909
"""Lines in the file; all of them land in `order_lines`."""

FIRST_DAY, LAST_FULL_DAY = np.datetime64("2010-12-01"), np.datetime64("2011-12-08")

PRODUCT = r"^(?:\d{5}[A-Za-z]*|DCGS\w*|PADS)$"

NOTE = (
    "The sales are those of a British web shop in 2010 and 2011: Online Retail, Chen, Sain and Guo (2012), "
    "UCI Machine Learning Repository, CC BY 4.0."
)

ATTRIBUTION = (
    "Online Retail, D. Chen, S. L. Sain and K. Guo (2012), UCI Machine Learning Repository, "
    "doi:10.24432/C5BW33, CC BY 4.0"
)


def read_lines() -> pd.DataFrame:
    """The file as it is: invoice_id, item_id, quantity, timestamp, unit_price, customer_id, country, is_cancel."""
    text = {name: pa.string() for name in ("invoice_id", "item_id", "customer_id", "country")}
    types = {**text, "quantity": pa.float64(), "unit_price": pa.float64(), "timestamp": pa.timestamp("us")}
    options = pv.ConvertOptions(column_types=types, strings_can_be_null=True)
    with as_file(files("forecasting.data") / "online_retail_2010_2011.csv.gz") as path:
        return pv.read_csv(path, convert_options=options).to_pandas()


def read_titles() -> pd.DataFrame:
    """Item codes and their descriptions."""
    options = pv.ConvertOptions(column_types={"item_id": pa.string(), "description": pa.string()})
    with as_file(files("forecasting.data") / "online_retail_2010_2011_items.csv.gz") as path:
        return pv.read_csv(path, convert_options=options).to_pandas()


def canonical_tables(lines: pd.DataFrame, titles: pd.DataFrame) -> dict[str, pa.Table]:
    """`customers`, `items`, `locations`, `orders` and `order_lines` by the rules above."""
    return {
        "customers": _table(_customers(lines)),
        "items": _table(_items(lines, titles)),
        "locations": _table(pd.DataFrame({"location_id": [LOCATION], "region": ["United Kingdom"]})),
        "orders": _table(_orders(lines)),
        "order_lines": _table(_order_lines(lines)),
    }


def cancelled(lines: pd.DataFrame) -> pd.Index:
    """Invoices that were reversed whole within a day."""
    return _reversed_at(lines).index


def is_product(codes: pd.Series) -> pd.Series:
    """Whether each code names a product."""
    known = pd.Series(codes.unique())
    return codes.isin(known[known.str.match(PRODUCT)])


def _order_lines(lines: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "order_id": lines["invoice_id"],
            "item_id": lines["item_id"],
            "quantity": lines["quantity"],
            "unit_price": lines["unit_price"],
            "location_id": LOCATION,
        }
    )


def _orders(lines: pd.DataFrame) -> pd.DataFrame:
    priced = lines.assign(value=lines["quantity"] * lines["unit_price"])
    invoices = priced.groupby("invoice_id", sort=True)
    orders = invoices.agg(
        customer_id=("customer_id", "first"),
        placed_at=("timestamp", "min"),
        destination_region=("country", "first"),
        value=("value", "sum"),
    )
    orders["cancelled_at"] = _reversed_at(lines).reindex(orders.index)
    orders["value"] = orders["value"].round(2)
    orders["origin_id"] = LOCATION
    names = ["order_id", "customer_id", "placed_at", "cancelled_at", "origin_id", "destination_region", "value"]
    return orders.reset_index(names="order_id")[names]


def _reversed_at(lines: pd.DataFrame) -> pd.Series:
    """When the last line of each wholly reversed invoice was reversed, by invoice; a cancellation reverses the
    latest line of the 24 hours before it with the same customer, item and quantity."""
    key = ["customer_id", "item_id", "quantity"]
    known = lines.dropna(subset="customer_id").assign(row=lambda frame: frame.index)
    sold = known[known["quantity"] > 0]
    back = known[(known["quantity"] < 0) & (known["is_cancel"] == 1)].assign(quantity=lambda frame: -frame["quantity"])
    matched = pd.merge_asof(
        back.sort_values("timestamp", kind="stable")[[*key, "timestamp"]].rename(columns={"timestamp": "reversed_at"}),
        sold.sort_values("timestamp", kind="stable")[[*key, "timestamp", "row"]],
        left_on="reversed_at",
        right_on="timestamp",
        by=key,
        tolerance=pd.Timedelta(days=1),
    ).dropna(subset="row")
    when = matched.groupby(matched["row"].astype("int64"))["reversed_at"].min()
    at = when.reindex(lines.index)
    by_invoice = at.groupby(lines["invoice_id"])
    return by_invoice.max()[by_invoice.count() == by_invoice.size()].dropna()


def _items(lines: pd.DataFrame, titles: pd.DataFrame) -> pd.DataFrame:
    products = lines[is_product(lines["item_id"])]
    first_price = products[products["unit_price"] > 0].groupby("item_id")["unit_price"].first()
    items = pd.DataFrame({"item_id": np.sort(products["item_id"].unique())})
    items["title"] = items["item_id"].map(titles.set_index("item_id")["description"])
    items["price"] = items["item_id"].map(first_price)
    return items


def _customers(lines: pd.DataFrame) -> pd.DataFrame:
    """Signed up with the first invoice, from the country of the first."""
    customers = lines.dropna(subset="customer_id").groupby("customer_id", sort=True)
    return customers.agg(signed_up_at=("timestamp", "min"), region=("country", "first")).reset_index()


def _table(frame: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [pa.timestamp("us", "UTC") if pa.types.is_timestamp(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, fields, strict=True)))).replace_schema_metadata(None)
