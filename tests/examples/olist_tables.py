"""Made-up tables of the shape of Olist's: as its CSV files have them, and with coordinates beside each person."""

from __future__ import annotations

import numpy as np
import pandas as pd
import sqlalchemy as sa
from foreign_warehouse import text_of

STATES = np.array(["SP", "RJ", "BA", "AM"])
PLACES = {"SP": (-23.5, -46.6), "RJ": (-22.9, -43.2), "BA": (-12.9, -38.5), "AM": (-3.1, -60.0)}
ZIPS = {"SP": "01001", "RJ": "20000", "BA": "40000", "AM": "69000"}


def tables(orders: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The six CSV files by the names of the tables that they go to. Order 1003 has no items, product p7 no category and
    no weight, one point of the map lies in Portugal, and state AM is on no map."""
    key = "o" + orders["number"].astype(str)
    state = STATES[orders["region"]]
    delivered = orders["arrived"].notna()
    status = np.select([orders["cancelled"], delivered], ["canceled", "delivered"], "shipped")
    lines = orders[orders["number"] != 1003].loc[lambda rows: rows.index.repeat(rows["units"])]
    position = lines.groupby("number").cumcount()
    states_of_sellers = [*STATES, "SP", "RJ"]
    points = pd.DataFrame([(ZIPS[state], *place) for state, place in PLACES.items() if state != "AM"])
    points.columns = ["geolocation_zip_code_prefix", "geolocation_lat", "geolocation_lng"]
    around = [points.assign(geolocation_lat=points["geolocation_lat"] + north) for north in (-0.5, 0.5)]
    abroad = points[:1].assign(geolocation_lat=38.7, geolocation_lng=-9.1)
    return {
        "olist_orders": pd.DataFrame(
            {
                "order_id": key,
                "customer_id": "c" + orders["number"].astype(str),
                "order_status": status,
                "order_purchase_timestamp": text_of(orders["placed"]),
                "order_approved_at": text_of(orders["accepted"]),
                "order_delivered_carrier_date": text_of(orders["sent"]),
                "order_delivered_customer_date": text_of(orders["arrived"]),
                "order_estimated_delivery_date": text_of(orders["promised"]),
            }
        ),
        "olist_order_items": pd.DataFrame(
            {
                "order_id": "o" + lines["number"].astype(str),
                "order_item_id": position + 1,
                "product_id": "p" + (lines["number"] % 8).astype(str),
                "seller_id": "s" + (lines["origin"] + (position == 2)).astype(str),
                "shipping_limit_date": text_of(lines["promised"]),
                "price": lines["price"],
                "freight_value": 7.5,
            }
        ),
        "olist_products": pd.DataFrame(
            {
                "product_id": [f"p{n}" for n in range(8)],
                "product_category_name": ["artes", "moveis"] * 3 + ["artes", None],
                **dict.fromkeys(("product_name_lenght", "product_description_lenght", "product_photos_qty"), 40),
                "product_weight_g": [500.0] * 7 + [None],
                "product_length_cm": [10.0] * 7 + [None],
                "product_height_cm": 20.0,
                "product_width_cm": 30.0,
            }
        ),
        "olist_customers_dataset": pd.DataFrame(
            {
                "customer_id": "c" + orders["number"].astype(str),
                "customer_unique_id": "u" + orders["customer"].astype(str),
                "customer_zip_code_prefix": [ZIPS[one] for one in state],
                "customer_city": "a, b",
                "customer_state": state,
            }
        ),
        "olist_sellers_dataset": pd.DataFrame(
            {
                "seller_id": [f"s{n}" for n in range(6)],
                "seller_zip_code_prefix": [ZIPS[one] for one in states_of_sellers],
                "seller_city": "c",
                "seller_state": states_of_sellers,
            }
        ),
        "olist_geolocation_dataset": pd.concat([*around, abroad]).assign(geolocation_city="d", geolocation_state="e"),
    }


def with_coordinates(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The same shop as five tables, with coordinates beside customers and sellers, and promises that are dates."""
    found = {name: table for name, table in tables.items() if not name.endswith("_dataset")}
    orders = found["olist_orders"]
    found["olist_orders"] = orders.assign(
        order_estimated_delivery_date=orders["order_estimated_delivery_date"].str.slice(0, 10)
    )
    for who, plural in (("customer", "customers"), ("seller", "sellers")):
        people = tables[f"olist_{plural}_dataset"]
        places = np.array([PLACES[state] if state != "AM" else (None, None) for state in people[f"{who}_state"]], float)
        found[f"olist_{plural}"] = people.assign(**{f"{who}_lat": places[:, 0], f"{who}_lng": places[:, 1]})
    return found


def drop(url: str) -> None:
    """Remove the views and tables of `tables.sql` that `with_coordinates` has, too."""
    engine = sa.create_engine(url)
    found = sa.MetaData()
    with engine.begin() as connection:
        for view in ("drop view olist_customers", "drop view olist_sellers"):
            connection.execute(sa.text(view))
        found.reflect(connection, only=["olist_orders", "olist_order_items", "olist_products"])
        found.drop_all(connection)
    engine.dispose()
