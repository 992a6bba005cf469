"""The same for a second lot of shops, seen later; what was found wrong in them was put right, too."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from foreign_shops.shop import Shop
from foreign_shops.trade import days, mail, trade


@cache
def spree() -> Shop:
    """Spree (Ruby on Rails): line items are of variants, and an order is complete once it is bought."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    created = orders["placed"] - pd.Timedelta("20min")
    tables = {
        "spree_users": pd.DataFrame(
            {
                "id": customers["n"],
                "email": mail(customers["name"]),
                "sign_in_count": 2,
                "created_at": customers["joined"],
            }
        ),
        "spree_products": pd.DataFrame(
            {
                "id": items["n"],
                "name": items["title"],
                "available_on": items["introduced"],
                "created_at": items["introduced"],
            }
        ),
        "spree_variants": pd.DataFrame(
            {
                "id": items["n"] + 100_000,
                "sku": "S" + items["n"].astype(str),
                "weight": items["weight"],
                "product_id": items["n"],
                "is_master": True,
            }
        ),
        "spree_orders": pd.DataFrame(
            {
                "id": orders["n"],
                "number": "R" + orders["n"].astype(str),
                "item_total": orders["total"],
                "total": orders["total"],
                "state": "complete",
                "user_id": orders["customer"],
                "created_at": created,
                "updated_at": orders["placed"],
                "completed_at": orders["placed"],
                "canceled_at": orders["cancelled"],
                "shipment_state": "shipped",
                "payment_state": "paid",
            }
        ),
        "spree_line_items": pd.DataFrame(
            {
                "id": np.arange(len(lines)) + 1,
                "variant_id": lines["item"] + 100_000,
                "order_id": lines["order"],
                "quantity": lines["units"],
                "price": lines["price"],
                "cost_price": lines["price"] / 2,
                "created_at": "2024-01-01",
            }
        ),
        "spree_shipments": pd.DataFrame(
            {
                "id": orders["n"],
                "number": "H1",
                "order_id": orders["n"],
                "shipped_at": orders["shipped"],
                "state": "shipped",
            }
        ),
        "spree_stock_locations": pd.DataFrame({"id": [1], "name": ["default"], "city": ["x"], "state_id": [1]}),
        "spree_stock_items": pd.DataFrame(
            {"id": items["n"], "stock_location_id": 1, "variant_id": items["n"] + 100_000, "count_on_hand": 5}
        ),
    }
    at, line = "spree_orders", "spree_line_items"
    expected = {
        "orders": {
            "order_id": f"{at}.id",
            "customer_id": f"{at}.user_id",
            "placed_at": f"{at}.completed_at|{at}.created_at",
            "cancelled_at": f"{at}.canceled_at",
            "value": f"{at}.total|{at}.item_total",
        },
        "order_lines": {
            "order_id": f"{line}.order_id",
            "item_id": f"{line}.variant_id",
            "quantity": f"{line}.quantity",
            "unit_price": f"{line}.price",
        },
        "items": {"item_id": "spree_variants.id", "weight": "spree_variants.weight"},
        "customers": {"customer_id": "spree_users.id", "signed_up_at": "spree_users.created_at"},
    }
    return Shop("spree", tables, expected, dict.fromkeys(tables, ("id",)))


@cache
def opencart() -> Shop:
    """OpenCart: every name ends in its table's, and dates are called date_added."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    tables = {
        "oc_customer": pd.DataFrame(
            {
                "customer_id": customers["n"],
                "customer_group_id": 1,
                "store_id": 0,
                "firstname": "A",
                "email": mail(customers["name"]),
                "status": 1,
                "date_added": customers["joined"],
            }
        ),
        "oc_product": pd.DataFrame(
            {
                "product_id": items["n"],
                "model": items["title"],
                "sku": "",
                "quantity": 5,
                "manufacturer_id": 1,
                "price": items["price"],
                "date_available": days(items["introduced"]),
                "weight": items["weight"],
                "status": 1,
                "viewed": 9,
                "date_added": items["introduced"],
                "date_modified": items["introduced"],
            }
        ),
        "oc_product_description": pd.DataFrame({"product_id": items["n"], "language_id": 1, "name": items["title"]}),
        "oc_order": pd.DataFrame(
            {
                "order_id": orders["n"],
                "invoice_no": 0,
                "invoice_prefix": "INV",
                "store_id": 0,
                "store_name": "x",
                "customer_id": orders["customer"],
                "customer_group_id": 1,
                "shipping_zone": orders["region"],
                "shipping_country": "DE",
                "total": orders["total"],
                "order_status_id": 5,
                "currency_value": 1.0,
                "date_added": orders["placed"],
                "date_modified": orders["placed"],
            }
        ),
        "oc_order_product": pd.DataFrame(
            {
                "order_product_id": np.arange(len(lines)) + 1,
                "order_id": lines["order"],
                "product_id": lines["item"],
                "name": "x",
                "quantity": lines["units"],
                "price": lines["price"],
                "total": lines["price"] * lines["units"],
                "tax": 0.0,
            }
        ),
        "oc_order_history": pd.DataFrame(
            {
                "order_history_id": orders["n"],
                "order_id": orders["n"],
                "order_status_id": 3,
                "notify": 1,
                "comment": "",
                "date_added": orders["shipped"].fillna(orders["placed"]),
            }
        ),
        "oc_order_total": pd.DataFrame(
            {
                "order_total_id": orders["n"],
                "order_id": orders["n"],
                "code": "total",
                "title": "T",
                "value": orders["total"],
            }
        ),
        "oc_order_status": pd.DataFrame({"order_status_id": [3, 5], "language_id": 1, "name": ["Shipped", "Complete"]}),
        "oc_return": pd.DataFrame(
            {
                "return_id": [1],
                "order_id": [1001],
                "product_id": [501],
                "quantity": 1,
                "date_added": orders["placed"][:1],
            }
        ),
    }
    expected = {
        "orders": {
            "order_id": "oc_order.order_id",
            "customer_id": "oc_order.customer_id",
            "placed_at": "oc_order.date_added",
            "value": "oc_order.total",
            "destination_region": "?oc_order.shipping_country",
        },
        "order_lines": {
            "order_id": "oc_order_product.order_id",
            "item_id": "oc_order_product.product_id",
            "quantity": "oc_order_product.quantity",
            "unit_price": "oc_order_product.price",
        },
        "items": {
            "item_id": "oc_product.product_id",
            "price": "oc_product.price",
            "weight": "oc_product.weight",
            "introduced_at": "?oc_product.date_available|oc_product.date_added",
            "title": "?oc_product.model",
            "brand": "?oc_product.manufacturer_id",
        },
        "customers": {"customer_id": "oc_customer.customer_id", "signed_up_at": "oc_customer.date_added"},
        "order_events": {
            "order_id": "oc_order_history.order_id",
            "status": "oc_order_history.order_status_id",
            "occurred_at": "oc_order_history.date_added",
        },
    }
    keys = {"oc_customer": ("customer_id",), "oc_product": ("product_id",), "oc_order": ("order_id",)}
    return Shop("opencart", tables, expected, keys | {"oc_order_product": ("order_product_id",)})


@cache
def odoo() -> Shop:
    """Odoo: customers are partners, lines are of product variants, everything is created and written."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    tables = {
        "res_partner": pd.DataFrame(
            {
                "id": customers["n"],
                "name": customers["name"],
                "is_company": False,
                "city": "x",
                "country_id": 57,
                "create_date": customers["joined"],
                "write_date": customers["joined"],
            }
        ),
        "product_template": pd.DataFrame(
            {
                "id": items["n"] - 400,
                "name": items["title"],
                "categ_id": 1,
                "list_price": items["price"],
                "weight": items["weight"],
                "create_date": items["introduced"],
            }
        ),
        "product_product": pd.DataFrame(
            {
                "id": items["n"],
                "product_tmpl_id": items["n"] - 400,
                "default_code": "D" + items["n"].astype(str),
                "active": True,
                "weight": items["weight"],
                "create_date": items["introduced"],
                "write_date": items["introduced"],
            }
        ),
        "sale_order": pd.DataFrame(
            {
                "id": orders["n"],
                "name": "S" + orders["n"].astype(str),
                "state": "sale",
                "date_order": orders["placed"],
                "commitment_date": orders["promised"],
                "partner_id": orders["customer"],
                "partner_invoice_id": orders["customer"],
                "partner_shipping_id": orders["customer"],
                "amount_untaxed": orders["total"],
                "amount_tax": 0.0,
                "amount_total": orders["total"],
                "create_date": orders["placed"],
                "write_date": orders["placed"],
            }
        ),
        "sale_order_line": pd.DataFrame(
            {
                "id": np.arange(len(lines)) + 1,
                "order_id": lines["order"],
                "product_id": lines["item"],
                "price_unit": lines["price"],
                "price_subtotal": lines["price"] * lines["units"],
                "product_uom_qty": lines["units"].astype(float),
                "qty_delivered": lines["units"].astype(float),
                "qty_invoiced": lines["units"].astype(float),
                "create_date": "2024-01-01",
            }
        ),
        "purchase_order": pd.DataFrame(
            {"id": [1, 2], "partner_id": 70_001, "date_order": orders["placed"][:2], "amount_total": 1.0}
        ),
        "stock_picking": pd.DataFrame(
            {"id": orders["n"], "origin": "S1", "date_done": orders["shipped"], "sale_id": orders["n"], "state": "done"}
        ),
        "stock_quant": pd.DataFrame(
            {
                "id": items["n"],
                "product_id": items["n"],
                "location_id": 8,
                "quantity": 4.0,
                "in_date": items["introduced"],
            }
        ),
        "stock_location": pd.DataFrame({"id": [8], "name": ["Stock"], "usage": ["internal"]}),
    }
    at, line = "sale_order", "sale_order_line"
    expected = {
        "orders": {
            "order_id": f"{at}.id",
            "customer_id": f"{at}.partner_id",
            "placed_at": f"{at}.date_order",
            "promised_at": f"{at}.commitment_date",
            "value": f"{at}.amount_total|{at}.amount_untaxed",
        },
        "order_lines": {
            "order_id": f"{line}.order_id",
            "item_id": f"{line}.product_id",
            "quantity": f"{line}.product_uom_qty",
            "unit_price": f"{line}.price_unit",
        },
        "items": {
            "item_id": "product_product.id",
            "weight": "product_product.weight",
            "introduced_at": "?product_product.create_date",
        },
        "customers": {"customer_id": "res_partner.id", "signed_up_at": "?res_partner.create_date"},
    }
    refers = {
        "product_product.product_tmpl_id": "product_template.id",
        "sale_order.partner_id": "res_partner.id",
        "sale_order_line.order_id": "sale_order.id",
        "sale_order_line.product_id": "product_product.id",
    }
    return Shop("odoo", tables, expected, dict.fromkeys(tables, ("id",)), refers)


@cache
def french() -> Shop:
    """A French shop's own tables."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    tables = {
        "clients": pd.DataFrame(
            {
                "id_client": customers["n"],
                "nom": customers["name"],
                "date_inscription": customers["joined"],
                "ville": "x",
                "région": customers["region"],
                "pays": "FR",
            }
        ),
        "produits": pd.DataFrame(
            {
                "ref_produit": items["n"],
                "libellé": items["title"],
                "catégorie": items["category"],
                "marque": items["brand"],
                "prix_ht": items["price"],
                "poids_kg": items["weight"],
            }
        ),
        "commandes": pd.DataFrame(
            {
                "num_commande": orders["n"],
                "id_client": orders["customer"],
                "date_commande": orders["placed"],
                "date_livraison_prévue": days(orders["promised"]),
                "date_expédition": orders["shipped"],
                "date_livraison": orders["delivered"],
                "date_annulation": orders["cancelled"],
                "montant_total": orders["total"],
                "statut": "livrée",
            }
        ),
        "lignes_commande": pd.DataFrame(
            {
                "num_commande": lines["order"],
                "num_ligne": lines["position"],
                "ref_produit": lines["item"],
                "quantité": lines["units"],
                "prix_unitaire": lines["price"],
            }
        ),
        "commandes_fournisseurs": pd.DataFrame(
            {"num_commande": [1, 2], "id_fournisseur": 1, "date_commande": orders["placed"][:2], "montant_total": 5.0}
        ),
        "employés": pd.DataFrame({"id_employé": [1], "nom": ["E"], "date_embauche": orders["placed"][:1]}),
    }
    expected = {
        "orders": {
            "order_id": "commandes.num_commande",
            "customer_id": "commandes.id_client",
            "placed_at": "commandes.date_commande",
            "promised_at": "commandes.date_livraison_prévue",
            "completed_at": "commandes.date_livraison",
            "cancelled_at": "commandes.date_annulation",
            "value": "commandes.montant_total",
        },
        "order_events": {"order_id": "commandes.num_commande", "status=shipped": "commandes.date_expédition"},
        "order_lines": {
            "order_id": "lignes_commande.num_commande",
            "item_id": "lignes_commande.ref_produit",
            "quantity": "lignes_commande.quantité",
            "unit_price": "lignes_commande.prix_unitaire",
        },
        "items": {
            "item_id": "produits.ref_produit",
            "title": "produits.libellé",
            "category": "produits.catégorie",
            "brand": "produits.marque",
            "price": "produits.prix_ht",
            "weight": "produits.poids_kg",
        },
        "customers": {
            "customer_id": "clients.id_client",
            "signed_up_at": "clients.date_inscription",
            "region": "clients.région|clients.pays",
        },
    }
    return Shop("french", tables, expected)


@cache
def superstore() -> Shop:
    """Tableau's Superstore: one flat table with the words of a spreadsheet's head."""
    one = trade()
    lines = one.lines.merge(one.orders, left_on="order", right_on="n").merge(
        one.items, left_on="item", right_on="n", suffixes=("", "_of_item")
    )
    flat = pd.DataFrame(
        {
            "Row ID": np.arange(len(lines)) + 1,
            "Order ID": "CA-" + lines["order"].astype(str),
            "Order Date": days(lines["placed"]),
            "Ship Date": days(lines["shipped"]),
            "Ship Mode": "Second Class",
            "Customer ID": "C" + lines["customer"].astype(str),
            "Customer Name": "x",
            "Segment": "Consumer",
            "Country": "US",
            "City": "y",
            "State": lines["region"],
            "Postal Code": "1",
            "Region": "South",
            "Product ID": "P" + lines["item"].astype(str),
            "Category": lines["category"],
            "Sub-Category": lines["brand"],
            "Product Name": lines["title"],
            "Sales": lines["units"] * lines["price"],
            "Quantity": lines["units"],
            "Discount": 0.0,
            "Profit": 1.0,
        }
    )
    at = "Superstore"
    expected = {
        "orders": {
            "order_id": f"{at}.Order ID",
            "customer_id": f"{at}.Customer ID",
            "placed_at": f"{at}.Order Date",
            "destination_region": f"?{at}.Region|{at}.State",
        },
        "order_lines": {
            "order_id": f"{at}.Order ID",
            "item_id": f"{at}.Product ID",
            "quantity": f"{at}.Quantity",
        },
        "items": {
            "item_id": f"{at}.Product ID",
            "title": f"{at}.Product Name",
            "category": f"{at}.Category|{at}.Sub-Category",
        },
        "customers": {"customer_id": f"{at}.Customer ID", "region": f"{at}.Region|{at}.State|{at}.Country"},
    }
    return Shop("superstore", {at: flat}, expected)


@cache
def instacart() -> Shop:
    """Instacart's orders have no dates, only weekdays and hours: there is nothing to forecast from."""
    one = trade()
    orders, lines, items = one.orders, one.lines, one.items
    tables = {
        "aisles": pd.DataFrame({"aisle_id": [1, 2], "aisle": ["a", "b"]}),
        "departments": pd.DataFrame({"department_id": [1, 2], "department": ["a", "b"]}),
        "products": pd.DataFrame(
            {"product_id": items["n"], "product_name": items["title"], "aisle_id": 1, "department_id": 2}
        ),
        "orders": pd.DataFrame(
            {
                "order_id": orders["n"],
                "user_id": orders["customer"],
                "eval_set": "prior",
                "order_number": 3,
                "order_dow": 2,
                "order_hour_of_day": 11,
                "days_since_prior_order": 7.0,
            }
        ),
        "order_products__prior": pd.DataFrame(
            {
                "order_id": lines["order"],
                "product_id": lines["item"],
                "add_to_cart_order": lines["position"],
                "reordered": 0,
            }
        ),
    }
    return Shop("instacart", tables, {})


@cache
def retail_rocket() -> Shop:
    """RetailRocket's clicks, whose times are milliseconds since 1970."""
    clicks = trade().clicks
    words = {"view": "view", "cart": "addtocart", "purchase": "transaction"}
    events = pd.DataFrame(
        {
            "timestamp": clicks["at"].astype("datetime64[ms]").astype("int64"),
            "visitorid": clicks["session"].str[1:].astype(int),
            "event": clicks["what"].map(words),
            "itemid": clicks["item"],
            "transactionid": None,
        }
    )
    tables = {
        "events": events,
        "category_tree": pd.DataFrame({"categoryid": [1, 2], "parentid": [0, 1]}),
        "item_properties": pd.DataFrame(
            {"timestamp": events["timestamp"][:9], "itemid": events["itemid"][:9], "property": "x", "value": "y"}
        ),
    }
    expected = {
        "interactions": {
            "session_id": "events.visitorid",
            "item_id": "events.itemid",
            "kind": "events.event",
            "occurred_at": "events.timestamp",
        }
    }
    return Shop("retail_rocket", tables, expected)


UNSEEN = (spree, opencart, odoo, french, superstore, instacart, retail_rocket)
