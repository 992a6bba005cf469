"""The shops that `forecasting init` was made on."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from foreign_shops.shop import Shop
from foreign_shops.trade import CITIES, days, mail, trade


@cache
def canonical() -> Shop:
    """Nothing to map: the suite's own names."""
    one = trade()
    orders, customers = one.orders, one.customers
    tables = {
        "customers": pd.DataFrame(
            {"customer_id": customers["n"], "signed_up_at": customers["joined"], "region": customers["region"]}
        ),
        "items": pd.DataFrame(
            {
                "item_id": one.items["n"],
                "title": one.items["title"],
                "category": one.items["category"],
                "brand": one.items["brand"],
                "price": one.items["price"],
                "weight": one.items["weight"],
                "introduced_at": one.items["introduced"],
            }
        ),
        "locations": pd.DataFrame({"location_id": [1, 2], "region": ["BE", "BY"]}),
        "orders": pd.DataFrame(
            {
                "order_id": orders["n"],
                "customer_id": orders["customer"],
                "placed_at": orders["placed"],
                "promised_at": orders["promised"],
                "completed_at": orders["delivered"],
                "cancelled_at": orders["cancelled"],
                "destination_region": orders["region"],
                "value": orders["total"],
            }
        ),
        "order_lines": pd.DataFrame(
            {
                "order_id": one.lines["order"],
                "item_id": one.lines["item"],
                "quantity": one.lines["units"],
                "unit_price": one.lines["price"],
            }
        ),
        "order_events": pd.DataFrame(
            {"order_id": orders["n"], "status": "shipped", "occurred_at": orders["shipped"]}
        ).dropna(),
        "interactions": one.clicks.set_axis(["customer_id", "session_id", "item_id", "kind", "occurred_at"], axis=1),
        "stock": one.stock.set_axis(["item_id", "location_id", "observed_at", "on_hand"], axis=1),
        "calendar": pd.DataFrame({"date": days(orders["promised"][::50]), "event": "sale"}),
    }
    expected = {name: {column: f"{name}.{column}" for column in table} for name, table in tables.items()}
    keys = {"customers": ("customer_id",), "items": ("item_id",), "orders": ("order_id",)}
    return Shop("canonical", tables, expected, keys)


@cache
def olist() -> Shop:
    """The CSV files of "Brazilian E-Commerce Public Dataset by Olist", without any key declared."""
    one = trade()
    orders, lines, buyers = one.orders, one.lines, one.customers.set_index("n")
    person = "u" + orders["customer"].astype(str)
    account = "c" + orders["n"].astype(str)
    tables = {
        "olist_customers_dataset": pd.DataFrame(
            {
                "customer_id": account,
                "customer_unique_id": person,
                "customer_zip_code_prefix": "01001",
                "customer_city": "sao paulo",
                "customer_state": buyers["region"].loc[orders["customer"]].to_numpy(),
            }
        ),
        "olist_geolocation_dataset": pd.DataFrame(
            {
                "geolocation_zip_code_prefix": "01001",
                "geolocation_lat": [-23.5, -22.9],
                "geolocation_lng": [-46.6, -43.2],
                "geolocation_city": "a",
                "geolocation_state": "SP",
            }
        ),
        "olist_order_items_dataset": pd.DataFrame(
            {
                "order_id": "o" + lines["order"].astype(str),
                "order_item_id": lines["position"],
                "product_id": "p" + lines["item"].astype(str),
                "seller_id": [f"s{number % 3}" for number in lines["item"]],
                "shipping_limit_date": orders.set_index("n")["promised"].loc[lines["order"]].to_numpy(),
                "price": lines["price"],
                "freight_value": 7.5,
            }
        ),
        "olist_order_payments_dataset": pd.DataFrame(
            {
                "order_id": "o" + orders["n"].astype(str),
                "payment_sequential": 1,
                "payment_type": "credit_card",
                "payment_installments": 3,
                "payment_value": orders["total"],
            }
        ),
        "olist_order_reviews_dataset": pd.DataFrame(
            {
                "review_id": "r" + orders["n"].astype(str),
                "order_id": "o" + orders["n"].astype(str),
                "review_score": 4,
                "review_comment_title": None,
                "review_comment_message": None,
                "review_creation_date": orders["delivered"],
                "review_answer_timestamp": orders["delivered"],
            }
        ),
        "olist_orders_dataset": pd.DataFrame(
            {
                "order_id": "o" + orders["n"].astype(str),
                "customer_id": account,
                "order_status": np.where(orders["delivered"].notna(), "delivered", "shipped"),
                "order_purchase_timestamp": orders["placed"],
                "order_approved_at": orders["paid"],
                "order_delivered_carrier_date": orders["shipped"],
                "order_delivered_customer_date": orders["delivered"],
                "order_estimated_delivery_date": orders["promised"],
            }
        ),
        "olist_products_dataset": pd.DataFrame(
            {
                "product_id": "p" + one.items["n"].astype(str),
                "product_category_name": one.items["category"],
                "product_name_lenght": 40,
                "product_description_lenght": 300,
                "product_photos_qty": 2,
                "product_weight_g": one.items["weight"] * 1000,
                "product_length_cm": 20,
                "product_height_cm": 10,
                "product_width_cm": 15,
            }
        ),
        "olist_sellers_dataset": pd.DataFrame(
            {
                "seller_id": ["s0", "s1", "s2"],
                "seller_zip_code_prefix": "01001",
                "seller_city": "a",
                "seller_state": ["BE", "BY", "HH"],
            }
        ),
        "product_category_name_translation": pd.DataFrame(
            {
                "product_category_name": ["lamps", "chairs", "toys"],
                "product_category_name_english": ["lamps", "chairs", "toys"],
            }
        ),
    }
    at, who = "olist_orders_dataset", "olist_customers_dataset"
    expected = {
        "orders": {
            "order_id": f"{at}.order_id",
            "customer_id": f"{who}.customer_unique_id",
            "placed_at": f"{at}.order_purchase_timestamp",
            "promised_at": f"{at}.order_estimated_delivery_date",
            "completed_at": f"{at}.order_delivered_customer_date",
            "destination_region": f"?{who}.customer_state",
        },
        "order_events": {
            "order_id": f"{at}.order_id",
            "status=approved": f"{at}.order_approved_at",
            "status=shipped": f"{at}.order_delivered_carrier_date",
        },
        "order_lines": {
            "order_id": "olist_order_items_dataset.order_id",
            "item_id": "olist_order_items_dataset.product_id",
            "quantity": "=1",
            "unit_price": "olist_order_items_dataset.price",
            "location_id": "?olist_order_items_dataset.seller_id",
        },
        "items": {
            "item_id": "olist_products_dataset.product_id",
            "category": "olist_products_dataset.product_category_name",
            "weight": "olist_products_dataset.product_weight_g",
        },
        "customers": {"customer_id": f"{who}.customer_unique_id", "region": f"{who}.customer_state"},
        "locations": {
            "location_id": "?olist_sellers_dataset.seller_id",
            "region": "?olist_sellers_dataset.seller_state",
        },
    }
    return Shop("olist", tables, expected)


@cache
def online_retail() -> Shop:
    """UCI's Online Retail: one flat table of invoice lines, with cancellations and sales to nobody."""
    one = trade()
    lines = one.lines.merge(one.orders, left_on="order", right_on="n").merge(
        one.items, left_on="item", right_on="n", suffixes=("", "_of_item")
    )
    returned = lines.index % 29 == 7
    flat = pd.DataFrame(
        {
            "InvoiceNo": np.where(returned, "C", "") + lines["order"].astype(str),
            "StockCode": lines["item"].astype(str),
            "Description": lines["title"],
            "Quantity": lines["units"] * np.where(returned, -1, 1),
            "InvoiceDate": lines["placed"],
            "UnitPrice": lines["price"],
            "CustomerID": lines["customer"].where(lines["order"] % 9 != 0).astype("Int64"),
            "Country": lines["region"],
        }
    )
    table = "online_retail"
    expected = {
        "orders": {
            "order_id": f"{table}.InvoiceNo",
            "customer_id": f"{table}.CustomerID",
            "placed_at": f"{table}.InvoiceDate",
            "destination_region": f"?{table}.Country",
            "value": f"?{table}.UnitPrice",
        },
        "order_lines": {
            "order_id": f"{table}.InvoiceNo",
            "item_id": f"{table}.StockCode",
            "quantity": f"{table}.Quantity",
            "unit_price": f"{table}.UnitPrice",
        },
        "items": {
            "item_id": f"{table}.StockCode",
            "title": f"{table}.Description",
            "price": f"?{table}.UnitPrice",
        },
        "customers": {"customer_id": f"{table}.CustomerID", "region": f"{table}.Country"},
    }
    return Shop("online_retail", {table: flat}, expected)


@cache
def shopify() -> Shop:
    """Shopify as connectors write it into a warehouse."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    variants = items["n"] + 9000
    tables = {
        "customer": pd.DataFrame(
            {
                "id": customers["n"],
                "email": mail(customers["name"]),
                "first_name": "A",
                "last_name": customers["name"],
                "created_at": customers["joined"],
                "updated_at": customers["joined"],
                "orders_count": 3,
                "total_spent": 120.5,
                "accepts_marketing": True,
                "default_address_province": customers["region"],
            }
        ),
        "location": pd.DataFrame(
            {
                "id": [1, 2],
                "name": ["Main", "Side"],
                "province": ["BE", "BY"],
                "active": True,
                "created_at": "2020-01-01",
            }
        ),
        "product": pd.DataFrame(
            {
                "id": items["n"],
                "title": items["title"],
                "handle": items["title"].str.lower(),
                "vendor": items["brand"],
                "product_type": items["category"],
                "created_at": items["introduced"],
                "published_at": items["introduced"],
                "updated_at": items["introduced"],
                "status": "active",
            }
        ),
        "product_variant": pd.DataFrame(
            {
                "id": variants,
                "product_id": items["n"],
                "title": "Default",
                "sku": "SKU" + items["n"].astype(str),
                "price": items["price"],
                "compare_at_price": items["price"],
                "inventory_quantity": 4,
                "inventory_item_id": items["n"] + 40_000,
                "grams": 100,
                "created_at": items["introduced"],
            }
        ),
        "orders": pd.DataFrame(
            {
                "id": orders["n"],
                "name": "#" + orders["n"].astype(str),
                "order_number": orders["n"],
                "email": "x@example.com",
                "customer_id": orders["customer"],
                "created_at": orders["placed"],
                "processed_at": orders["placed"],
                "updated_at": orders["delivered"].fillna(orders["placed"]),
                "closed_at": orders["delivered"],
                "cancelled_at": orders["cancelled"],
                "cancel_reason": None,
                "financial_status": "paid",
                "fulfillment_status": "fulfilled",
                "currency": "EUR",
                "subtotal_price": orders["total"],
                "total_tax": 1.0,
                "total_discounts": 0.0,
                "total_price": orders["total"],
                "shipping_address_province_code": orders["region"],
                "shipping_address_latitude": orders["region"].map(lambda one: CITIES[one][0]),
                "shipping_address_longitude": orders["region"].map(lambda one: CITIES[one][1]),
            }
        ),
        "order_line": pd.DataFrame(
            {
                "id": np.arange(len(lines)) + 1,
                "order_id": lines["order"],
                "product_id": lines["item"],
                "variant_id": lines["item"] + 9000,
                "title": "x",
                "sku": "SKU" + lines["item"].astype(str),
                "vendor": "Acme",
                "quantity": lines["units"],
                "fulfillable_quantity": 0,
                "grams": 100,
                "price": lines["price"],
                "total_discount": 0.0,
            }
        ),
        "fulfillment": pd.DataFrame(
            {
                "id": orders["n"] + 50_000,
                "order_id": orders["n"],
                "location_id": 1,
                "status": "success",
                "tracking_company": "DHL",
                "created_at": orders["shipped"],
                "updated_at": orders["shipped"],
            }
        ).dropna(subset="created_at"),
        "refund": pd.DataFrame(
            {"id": [1, 2], "order_id": orders["n"][:2], "created_at": orders["placed"][:2], "note": "broken"}
        ),
        "inventory_level": pd.DataFrame(
            {
                "inventory_item_id": one.items["n"] + 40_000,
                "location_id": 1,
                "available": 5,
                "updated_at": orders["placed"].iloc[-1],
            }
        ),
        "abandoned_checkout": pd.DataFrame(
            {
                "id": [1, 2],
                "customer_id": orders["customer"][:2],
                "created_at": orders["placed"][:2],
                "total_price": 9.0,
            }
        ),
        "order_shipping_line": pd.DataFrame(
            {"id": orders["n"], "order_id": orders["n"], "price": 4.9, "title": "Standard", "carrier_identifier": None}
        ),
    }
    expected = {
        "orders": {
            "order_id": "orders.id",
            "customer_id": "orders.customer_id",
            "placed_at": "orders.created_at|orders.processed_at",
            "cancelled_at": "orders.cancelled_at",
            "value": "orders.total_price|orders.subtotal_price",
            "destination_region": "?orders.shipping_address_province_code",
            "destination_latitude": "?orders.shipping_address_latitude",
            "destination_longitude": "?orders.shipping_address_longitude",
        },
        "order_lines": {
            "order_id": "order_line.order_id",
            "item_id": "order_line.product_id",
            "quantity": "order_line.quantity",
            "unit_price": "order_line.price",
        },
        "items": {
            "item_id": "product.id",
            "title": "product.title",
            "category": "product.product_type",
            "brand": "product.vendor",
            "introduced_at": "product.published_at|product.created_at",
        },
        "customers": {
            "customer_id": "customer.id",
            "signed_up_at": "customer.created_at",
            "region": "?customer.default_address_province",
        },
        "locations": {"location_id": "location.id", "region": "location.province"},
        "order_events": {
            "order_id": "?fulfillment.order_id",
            "status": "?fulfillment.status",
            "occurred_at": "?fulfillment.created_at",
        },
    }
    keys = {name: ("id",) for name in tables if "id" in tables[name]}
    return Shop("shopify", tables, expected, keys)


@cache
def woocommerce() -> Shop:
    """WooCommerce: its lookup tables of analytics, and WordPress around them."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    hour = pd.Timedelta("1h")
    posts = pd.DataFrame(
        {
            "ID": items["n"],
            "post_author": 1,
            "post_date": items["introduced"],
            "post_date_gmt": items["introduced"],
            "post_content": "words",
            "post_title": items["title"],
            "post_status": "publish",
            "post_name": items["title"],
            "post_modified": items["introduced"],
            "post_type": "product",
            "comment_count": 0,
        }
    )
    tables = {
        "wp_posts": posts,
        "wp_postmeta": pd.DataFrame(
            {"meta_id": items["n"], "post_id": items["n"], "meta_key": "_sku", "meta_value": "S1"}
        ),
        "wp_users": pd.DataFrame(
            {
                "ID": [1, 2],
                "user_login": ["admin", "ed"],
                "user_pass": "x",
                "user_email": "a@example.com",
                "user_registered": items["introduced"][:2],
                "user_status": 0,
                "display_name": "Ed",
            }
        ),
        "wp_comments": pd.DataFrame(
            {
                "comment_ID": [1],
                "comment_post_ID": [501],
                "comment_author": ["x"],
                "comment_date": items["introduced"][:1],
                "user_id": [1],
            }
        ),
        "wp_options": pd.DataFrame({"option_id": [1], "option_name": ["siteurl"], "option_value": ["x"]}),
        "wp_wc_order_stats": pd.DataFrame(
            {
                "order_id": orders["n"],
                "parent_id": 0,
                "date_created": orders["placed"] + hour,
                "date_created_gmt": orders["placed"],
                "date_paid": orders["paid"],
                "date_completed": orders["delivered"],
                "num_items_sold": 2,
                "total_sales": orders["total"],
                "tax_total": 0.0,
                "shipping_total": 0.0,
                "net_total": orders["total"],
                "returning_customer": True,
                "status": "wc-completed",
                "customer_id": orders["customer"],
            }
        ),
        "wp_wc_order_product_lookup": pd.DataFrame(
            {
                "order_item_id": np.arange(len(lines)) + 1,
                "order_id": lines["order"],
                "product_id": lines["item"],
                "variation_id": 0,
                "customer_id": orders.set_index("n")["customer"].loc[lines["order"]].to_numpy(),
                "date_created": orders.set_index("n")["placed"].loc[lines["order"]].to_numpy(),
                "product_qty": lines["units"],
                "product_net_revenue": lines["units"] * lines["price"],
                "product_gross_revenue": lines["units"] * lines["price"],
                "coupon_amount": 0.0,
                "tax_amount": 0.0,
                "shipping_amount": 0.0,
            }
        ),
        "wp_woocommerce_order_items": pd.DataFrame(
            {
                "order_item_id": np.arange(len(lines)) + 1,
                "order_item_name": "x",
                "order_item_type": "line_item",
                "order_id": lines["order"],
            }
        ),
        "wp_wc_customer_lookup": pd.DataFrame(
            {
                "customer_id": customers["n"],
                "user_id": None,
                "username": customers["name"],
                "first_name": "A",
                "last_name": "B",
                "email": mail(customers["name"]),
                "date_last_active": customers["joined"],
                "date_registered": customers["joined"],
                "country": "DE",
                "postcode": "10115",
                "city": "x",
                "state": customers["region"],
            }
        ),
        "wp_wc_product_meta_lookup": pd.DataFrame(
            {
                "product_id": items["n"],
                "sku": "S" + items["n"].astype(str),
                "virtual": False,
                "downloadable": False,
                "min_price": items["price"],
                "max_price": items["price"],
                "onsale": False,
                "stock_quantity": 3.0,
                "stock_status": "instock",
                "rating_count": 0,
                "average_rating": 0.0,
                "total_sales": 9,
            }
        ),
        "wp_wc_order_coupon_lookup": pd.DataFrame(
            {"order_id": [1001], "coupon_id": [1], "date_created": orders["placed"][:1], "discount_amount": 1.0}
        ),
    }
    at, line = "wp_wc_order_stats", "wp_wc_order_product_lookup"
    expected = {
        "orders": {
            "order_id": f"{at}.order_id",
            "customer_id": f"{at}.customer_id",
            "placed_at": f"{at}.date_created_gmt|{at}.date_created",
            "completed_at": f"{at}.date_completed",
            "value": f"{at}.total_sales|{at}.net_total",
        },
        "order_events": {"order_id": f"?{at}.order_id", "status=paid": f"?{at}.date_paid"},
        "order_lines": {
            "order_id": f"{line}.order_id",
            "item_id": f"{line}.product_id",
            "quantity": f"{line}.product_qty",
        },
        "items": {
            "item_id": "wp_wc_product_meta_lookup.product_id",
            "price": "?wp_wc_product_meta_lookup.min_price|wp_wc_product_meta_lookup.max_price",
        },
        "customers": {
            "customer_id": "wp_wc_customer_lookup.customer_id",
            "signed_up_at": "wp_wc_customer_lookup.date_registered",
            "region": "wp_wc_customer_lookup.state|wp_wc_customer_lookup.country",
        },
    }
    keys = {
        "wp_posts": ("ID",),
        "wp_users": ("ID",),
        at: ("order_id",),
        line: ("order_item_id",),
        "wp_wc_customer_lookup": ("customer_id",),
        "wp_wc_product_meta_lookup": ("product_id",),
        "wp_woocommerce_order_items": ("order_item_id",),
    }
    return Shop("woocommerce", tables, expected, keys)


@cache
def magento() -> Shop:
    """Magento 2: every table's key is called entity_id, and item_id is the line."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    placed = orders.set_index("n")["placed"].loc[lines["order"]].to_numpy()
    tables = {
        "store": pd.DataFrame({"store_id": [1, 2], "code": ["de", "en"], "website_id": 1, "name": ["DE", "EN"]}),
        "customer_entity": pd.DataFrame(
            {
                "entity_id": customers["n"],
                "website_id": 1,
                "email": mail(customers["name"]),
                "group_id": 1,
                "store_id": 1,
                "created_at": customers["joined"],
                "updated_at": customers["joined"],
                "is_active": 1,
                "firstname": "A",
                "lastname": "B",
            }
        ),
        "catalog_product_entity": pd.DataFrame(
            {
                "entity_id": items["n"],
                "attribute_set_id": 4,
                "type_id": "simple",
                "sku": "S" + items["n"].astype(str),
                "has_options": 0,
                "required_options": 0,
                "created_at": items["introduced"],
                "updated_at": items["introduced"],
            }
        ),
        "catalog_category_entity": pd.DataFrame(
            {"entity_id": [1, 2], "parent_id": [0, 1], "created_at": items["introduced"][:2], "position": 1, "level": 1}
        ),
        "sales_order": pd.DataFrame(
            {
                "entity_id": orders["n"],
                "state": "complete",
                "status": "complete",
                "coupon_code": None,
                "shipping_description": "Flat",
                "store_id": 1,
                "customer_id": orders["customer"],
                "base_grand_total": orders["total"],
                "base_subtotal": orders["total"],
                "discount_amount": 0.0,
                "grand_total": orders["total"],
                "shipping_amount": 5.0,
                "total_qty_ordered": 2.0,
                "billing_address_id": orders["n"],
                "quote_id": orders["n"],
                "increment_id": "1000" + orders["n"].astype(str),
                "customer_email": "x@example.com",
                "created_at": orders["placed"],
                "updated_at": orders["placed"],
                "total_item_count": 2,
            }
        ),
        "sales_order_item": pd.DataFrame(
            {
                "item_id": np.arange(len(lines)) + 1,
                "order_id": lines["order"],
                "parent_item_id": None,
                "quote_item_id": np.arange(len(lines)) + 1,
                "store_id": 1,
                "created_at": placed,
                "updated_at": placed,
                "product_id": lines["item"],
                "product_type": "simple",
                "weight": 1.0,
                "sku": "S" + lines["item"].astype(str),
                "name": "x",
                "qty_backordered": None,
                "qty_canceled": 0.0,
                "qty_invoiced": lines["units"].astype(float),
                "qty_ordered": lines["units"].astype(float),
                "qty_refunded": 0.0,
                "qty_shipped": lines["units"].astype(float),
                "base_cost": None,
                "price": lines["price"],
                "base_price": lines["price"],
                "original_price": lines["price"],
                "row_total": lines["units"] * lines["price"],
            }
        ),
        "sales_order_status_history": pd.DataFrame(
            {
                "entity_id": np.arange(2 * len(orders)) + 1,
                "parent_id": np.tile(orders["n"], 2),
                "is_customer_notified": 1,
                "comment": None,
                "status": np.repeat(["pending", "processing"], len(orders)),
                "created_at": pd.concat([orders["placed"], orders["paid"]]).to_numpy(),
                "entity_name": "order",
            }
        ).dropna(subset="created_at"),
        "sales_order_status": pd.DataFrame({"status": ["pending", "complete"], "label": ["Pending", "Complete"]}),
        "sales_order_address": pd.DataFrame(
            {
                "entity_id": orders["n"],
                "parent_id": orders["n"],
                "region": orders["region"],
                "postcode": "10115",
                "city": "x",
                "country_id": "DE",
                "address_type": "shipping",
            }
        ),
        "sales_shipment": pd.DataFrame(
            {
                "entity_id": orders["n"],
                "store_id": 1,
                "total_qty": 2.0,
                "order_id": orders["n"],
                "customer_id": orders["customer"],
                "created_at": orders["shipped"],
            }
        ).dropna(subset="created_at"),
        "sales_invoice": pd.DataFrame(
            {
                "entity_id": orders["n"],
                "store_id": 1,
                "base_grand_total": orders["total"],
                "grand_total": orders["total"],
                "order_id": orders["n"],
                "created_at": orders["paid"],
                "updated_at": orders["paid"],
            }
        ).dropna(subset="created_at"),
        "quote": pd.DataFrame(
            {
                "entity_id": orders["n"],
                "store_id": 1,
                "created_at": orders["placed"],
                "updated_at": orders["placed"],
                "customer_id": orders["customer"],
                "grand_total": orders["total"],
                "reserved_order_id": None,
                "is_active": 0,
            }
        ),
        "quote_item": pd.DataFrame(
            {
                "item_id": np.arange(len(lines)) + 1,
                "quote_id": lines["order"],
                "created_at": placed,
                "product_id": lines["item"],
                "qty": lines["units"].astype(float),
                "price": lines["price"],
            }
        ),
        "cataloginventory_stock_item": pd.DataFrame(
            {
                "item_id": items["n"],
                "product_id": items["n"],
                "stock_id": 1,
                "qty": 4.0,
                "min_qty": 0.0,
                "is_in_stock": 1,
            }
        ),
    }
    expected = {
        "orders": {
            "order_id": "sales_order.entity_id",
            "customer_id": "sales_order.customer_id",
            "placed_at": "sales_order.created_at",
            "value": "sales_order.grand_total|sales_order.base_grand_total|sales_order.base_subtotal",
        },
        "order_lines": {
            "order_id": "sales_order_item.order_id",
            "item_id": "sales_order_item.product_id",
            "quantity": "sales_order_item.qty_ordered",
            "unit_price": "sales_order_item.price|sales_order_item.base_price",
        },
        "items": {
            "item_id": "catalog_product_entity.entity_id",
            "introduced_at": "?catalog_product_entity.created_at",
        },
        "customers": {
            "customer_id": "customer_entity.entity_id",
            "signed_up_at": "customer_entity.created_at",
        },
        "order_events": {
            "order_id": "sales_order_status_history.parent_id",
            "status": "sales_order_status_history.status",
            "occurred_at": "sales_order_status_history.created_at",
        },
    }
    keys = {name: ("entity_id",) for name in tables if "entity_id" in tables[name]} | {
        "sales_order_item": ("item_id",),
        "quote_item": ("item_id",),
        "store": ("store_id",),
    }
    refers = {
        "sales_order.customer_id": "customer_entity.entity_id",
        "sales_order_item.order_id": "sales_order.entity_id",
        "sales_order_status_history.parent_id": "sales_order.entity_id",
        "sales_order_address.parent_id": "sales_order.entity_id",
        "sales_shipment.order_id": "sales_order.entity_id",
        "sales_invoice.order_id": "sales_order.entity_id",
        "quote_item.quote_id": "quote.entity_id",
    }
    order = [*[name for name in tables if name != "quote_item"], "quote_item"]
    return Shop("magento", {name: tables[name] for name in order}, expected, keys, refers)


@cache
def german() -> Shop:
    """A German trader's own tables: compound words, dates without a time."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    tables = {
        "Mitarbeiter": pd.DataFrame(
            {"PersonalNr": [1, 2], "Name": ["A", "B"], "Eintrittsdatum": days(orders["placed"][:2])}
        ),
        "Lieferanten": pd.DataFrame({"LieferantenNr": [1, 2], "Firma": ["A", "B"], "Ort": "x"}),
        "Kunden": pd.DataFrame(
            {
                "KundenNr": customers["n"],
                "Name": customers["name"],
                "Registriert_am": customers["joined"],
                "PLZ": "10115",
                "Ort": "x",
                "Bundesland": customers["region"],
            }
        ),
        "Artikel": pd.DataFrame(
            {
                "ArtikelNr": items["n"],
                "Bezeichnung": items["title"],
                "Warengruppe": items["category"],
                "Hersteller": items["brand"],
                "Verkaufspreis": items["price"],
                "Einkaufspreis": items["price"] / 2,
                "Gewicht_kg": items["weight"],
                "Eingefuehrt_am": days(items["introduced"]),
            }
        ),
        "Bestellungen": pd.DataFrame(
            {
                "BestellNr": orders["n"],
                "KundenNr": orders["customer"],
                "Bestelldatum": orders["placed"],
                "Zugesagt_am": days(orders["promised"]),
                "Versendet_am": orders["shipped"],
                "Zugestellt_am": orders["delivered"],
                "Storniert_am": orders["cancelled"],
                "Gesamtbetrag": orders["total"],
                "Bearbeiter": "A",
            }
        ),
        "Bestellpositionen": pd.DataFrame(
            {
                "BestellNr": lines["order"],
                "PosNr": lines["position"],
                "ArtikelNr": lines["item"],
                "Menge": lines["units"],
                "Einzelpreis": lines["price"],
            }
        ),
        "Filialen": pd.DataFrame(
            {
                "FilialNr": [1, 2],
                "Ort": ["x", "y"],
                "Bundesland": ["BE", "BY"],
                "Breitengrad": [52.5, 48.1],
                "Laengengrad": [13.4, 11.6],
            }
        ),
        "Lagerbestand": one.stock.set_axis(["ArtikelNr", "FilialNr", "Stichtag", "Bestand"], axis=1),
    }
    expected = {
        "orders": {
            "order_id": "Bestellungen.BestellNr",
            "customer_id": "Bestellungen.KundenNr",
            "placed_at": "Bestellungen.Bestelldatum",
            "promised_at": "Bestellungen.Zugesagt_am",
            "completed_at": "Bestellungen.Zugestellt_am",
            "cancelled_at": "Bestellungen.Storniert_am",
            "value": "Bestellungen.Gesamtbetrag",
        },
        "order_events": {"order_id": "Bestellungen.BestellNr", "status=shipped": "Bestellungen.Versendet_am"},
        "order_lines": {
            "order_id": "Bestellpositionen.BestellNr",
            "item_id": "Bestellpositionen.ArtikelNr",
            "quantity": "Bestellpositionen.Menge",
            "unit_price": "Bestellpositionen.Einzelpreis",
        },
        "items": {
            "item_id": "Artikel.ArtikelNr",
            "title": "Artikel.Bezeichnung",
            "category": "Artikel.Warengruppe",
            "brand": "Artikel.Hersteller",
            "price": "Artikel.Verkaufspreis",
            "weight": "Artikel.Gewicht_kg",
            "introduced_at": "Artikel.Eingefuehrt_am",
        },
        "customers": {
            "customer_id": "Kunden.KundenNr",
            "signed_up_at": "Kunden.Registriert_am",
            "region": "Kunden.Bundesland",
        },
        "locations": {
            "location_id": "Filialen.FilialNr",
            "region": "Filialen.Bundesland",
            "latitude": "Filialen.Breitengrad",
            "longitude": "Filialen.Laengengrad",
        },
        "stock": {
            "item_id": "Lagerbestand.ArtikelNr",
            "location_id": "Lagerbestand.FilialNr",
            "observed_at": "Lagerbestand.Stichtag",
            "on_hand": "Lagerbestand.Bestand",
        },
    }
    keys = {
        "Kunden": ("KundenNr",),
        "Artikel": ("ArtikelNr",),
        "Bestellungen": ("BestellNr",),
        "Bestellpositionen": ("BestellNr", "PosNr"),
        "Filialen": ("FilialNr",),
    }
    refers = {
        "Bestellungen.KundenNr": "Kunden.KundenNr",
        "Bestellpositionen.BestellNr": "Bestellungen.BestellNr",
        "Bestellpositionen.ArtikelNr": "Artikel.ArtikelNr",
    }
    return Shop("german", tables, expected, keys, refers)


TUNED = (canonical, olist, online_retail, shopify, woocommerce, magento, german)
