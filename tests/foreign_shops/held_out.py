"""Shops whose mappings were written before `forecasting init` first saw them; things were put right after that look."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from foreign_shops.shop import Shop
from foreign_shops.trade import days, mail, trade


@cache
def northwind() -> Shop:
    """The sample database of Microsoft Access, as it goes round for PostgreSQL."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    tables = {
        "categories": pd.DataFrame({"category_id": [1, 2, 3], "category_name": ["a", "b", "c"], "description": "x"}),
        "suppliers": pd.DataFrame(
            {"supplier_id": [1], "company_name": ["S"], "city": "x", "region": None, "country": "DE"}
        ),
        "shippers": pd.DataFrame({"shipper_id": [1], "company_name": ["P"], "phone": "1"}),
        "employees": pd.DataFrame(
            {"employee_id": [1], "last_name": ["E"], "hire_date": days(orders["placed"][:1]), "region": ["x"]}
        ),
        "region": pd.DataFrame({"region_id": [1, 2], "region_description": ["East", "West"]}),
        "territories": pd.DataFrame({"territory_id": ["1"], "territory_description": ["x"], "region_id": [1]}),
        "customers": pd.DataFrame(
            {
                "customer_id": customers["n"],
                "company_name": customers["name"],
                "contact_name": "x",
                "address": "x",
                "city": "x",
                "region": customers["region"],
                "postal_code": "1",
                "country": "DE",
                "phone": "1",
            }
        ),
        "products": pd.DataFrame(
            {
                "product_id": items["n"],
                "product_name": items["title"],
                "supplier_id": 1,
                "category_id": 1,
                "quantity_per_unit": "10 boxes",
                "unit_price": items["price"],
                "units_in_stock": 5,
                "units_on_order": 0,
                "reorder_level": 2,
                "discontinued": 0,
            }
        ),
        "orders": pd.DataFrame(
            {
                "order_id": orders["n"],
                "customer_id": orders["customer"],
                "employee_id": 1,
                "order_date": days(orders["placed"]),
                "required_date": days(orders["promised"]),
                "shipped_date": days(orders["shipped"]),
                "ship_via": 1,
                "freight": 4.5,
                "ship_name": "x",
                "ship_city": "x",
                "ship_region": orders["region"],
                "ship_country": "DE",
            }
        ),
        "order_details": pd.DataFrame(
            {
                "order_id": lines["order"],
                "product_id": lines["item"],
                "unit_price": lines["price"],
                "quantity": lines["units"],
                "discount": 0.0,
            }
        ),
    }
    expected = {
        "orders": {
            "order_id": "orders.order_id",
            "customer_id": "orders.customer_id",
            "placed_at": "orders.order_date",
            "promised_at": "orders.required_date",
            "destination_region": "orders.ship_region|orders.ship_country",
        },
        "order_events": {"order_id": "orders.order_id", "status=shipped": "orders.shipped_date"},
        "order_lines": {
            "order_id": "order_details.order_id",
            "item_id": "order_details.product_id",
            "quantity": "order_details.quantity",
            "unit_price": "order_details.unit_price",
        },
        "items": {
            "item_id": "products.product_id",
            "title": "products.product_name",
            "price": "products.unit_price",
            "category": "?products.category_id",
        },
        "customers": {"customer_id": "customers.customer_id", "region": "customers.region|customers.country"},
    }
    keys = {"orders": ("order_id",), "products": ("product_id",), "customers": ("customer_id",)}
    return Shop("northwind", tables, expected, keys)


@cache
def thelook() -> Shop:
    """theLook, the e-commerce sample of BigQuery."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    of = orders.set_index("n").loc[lines["order"]]
    tables = {
        "distribution_centers": pd.DataFrame(
            {"id": [1, 2], "name": ["A", "B"], "latitude": [52.5, 48.1], "longitude": [13.4, 11.6]}
        ),
        "users": pd.DataFrame(
            {
                "id": customers["n"],
                "first_name": "A",
                "last_name": "B",
                "email": mail(customers["name"]),
                "age": 33,
                "gender": "F",
                "state": customers["region"],
                "street_address": "x",
                "postal_code": "1",
                "city": "x",
                "country": "DE",
                "latitude": 52.5,
                "longitude": 13.4,
                "traffic_source": "Search",
                "created_at": customers["joined"],
            }
        ),
        "products": pd.DataFrame(
            {
                "id": items["n"],
                "cost": items["price"] / 2,
                "category": items["category"],
                "name": items["title"],
                "brand": items["brand"],
                "retail_price": items["price"],
                "department": "Women",
                "sku": "S" + items["n"].astype(str),
                "distribution_center_id": 1,
            }
        ),
        "orders": pd.DataFrame(
            {
                "order_id": orders["n"],
                "user_id": orders["customer"],
                "status": "Complete",
                "gender": "F",
                "created_at": orders["placed"],
                "returned_at": pd.Series(pd.NaT, orders.index, "datetime64[ns]"),
                "shipped_at": orders["shipped"],
                "delivered_at": orders["delivered"],
                "num_of_item": 2,
            }
        ),
        "order_items": pd.DataFrame(
            {
                "id": np.arange(len(lines)) + 1,
                "order_id": lines["order"],
                "user_id": of["customer"].to_numpy(),
                "product_id": lines["item"],
                "inventory_item_id": np.arange(len(lines)) + 9,
                "status": "Complete",
                "created_at": of["placed"].to_numpy(),
                "shipped_at": of["shipped"].to_numpy(),
                "delivered_at": of["delivered"].to_numpy(),
                "returned_at": pd.Series(pd.NaT, lines.index, "datetime64[ns]"),
                "sale_price": lines["price"],
            }
        ),
        "inventory_items": pd.DataFrame(
            {
                "id": np.arange(len(lines)) + 9,
                "product_id": lines["item"],
                "created_at": of["placed"].to_numpy(),
                "sold_at": of["placed"].to_numpy(),
                "cost": lines["price"] / 2,
                "product_category": "toys",
                "product_name": "x",
                "product_brand": "Acme",
                "product_retail_price": lines["price"],
                "product_distribution_center_id": 1,
            }
        ),
        "events": pd.DataFrame(
            {
                "id": np.arange(len(one.clicks)) + 1,
                "user_id": one.clicks["customer"],
                "sequence_number": 1,
                "session_id": one.clicks["session"],
                "created_at": one.clicks["at"],
                "ip_address": "1.1.1.1",
                "city": "x",
                "browser": "Chrome",
                "traffic_source": "Email",
                "uri": "/",
                "event_type": "product",
            }
        ),
    }
    expected = {
        "orders": {
            "order_id": "orders.order_id",
            "customer_id": "orders.user_id",
            "placed_at": "orders.created_at",
            "completed_at": "orders.delivered_at",
        },
        "order_events": {
            "order_id": "orders.order_id",
            "status=shipped": "orders.shipped_at",
            "status=returned": "?orders.returned_at",
        },
        "order_lines": {
            "order_id": "order_items.order_id",
            "item_id": "order_items.product_id",
            "quantity": "=1",
            "unit_price": "order_items.sale_price",
        },
        "items": {
            "item_id": "products.id",
            "title": "products.name",
            "category": "products.category",
            "brand": "products.brand",
            "price": "products.retail_price",
        },
        "customers": {
            "customer_id": "users.id",
            "signed_up_at": "users.created_at",
            "region": "users.state|users.country",
            "latitude": "users.latitude",
            "longitude": "users.longitude",
        },
        "locations": {
            "location_id": "?distribution_centers.id",
            "latitude": "?distribution_centers.latitude",
            "longitude": "?distribution_centers.longitude",
        },
    }
    return Shop("thelook", tables, expected)


@cache
def prestashop() -> Shop:
    """PrestaShop: id_ comes first, and dates are called date_add."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    number = np.arange(len(lines)) + 1
    tables = {
        "ps_customer": pd.DataFrame(
            {
                "id_customer": customers["n"],
                "id_gender": 1,
                "id_lang": 1,
                "firstname": "A",
                "lastname": "B",
                "email": mail(customers["name"]),
                "passwd": "x",
                "birthday": days(customers["joined"]),
                "newsletter": 1,
                "active": 1,
                "date_add": customers["joined"],
                "date_upd": customers["joined"],
            }
        ),
        "ps_address": pd.DataFrame(
            {"id_address": customers["n"], "id_country": 1, "id_customer": customers["n"], "postcode": "1", "city": "x"}
        ),
        "ps_product": pd.DataFrame(
            {
                "id_product": items["n"],
                "id_supplier": 0,
                "id_manufacturer": 1,
                "id_category_default": 2,
                "on_sale": 0,
                "ean13": None,
                "quantity": 3,
                "minimal_quantity": 1,
                "price": items["price"],
                "wholesale_price": items["price"] / 2,
                "reference": "R" + items["n"].astype(str),
                "weight": items["weight"],
                "active": 1,
                "date_add": items["introduced"],
                "date_upd": items["introduced"],
            }
        ),
        "ps_product_lang": pd.DataFrame(
            {"id_product": items["n"], "id_lang": 1, "description": "x", "name": items["title"]}
        ),
        "ps_orders": pd.DataFrame(
            {
                "id_order": orders["n"],
                "reference": "X" + orders["n"].astype(str),
                "id_carrier": 1,
                "id_lang": 1,
                "id_customer": orders["customer"],
                "id_cart": orders["n"],
                "current_state": 5,
                "payment": "card",
                "total_paid": orders["total"],
                "total_paid_real": orders["total"],
                "total_products": orders["total"],
                "total_shipping": 0.0,
                "invoice_number": orders["n"],
                "invoice_date": orders["paid"],
                "delivery_date": orders["delivered"],
                "valid": 1,
                "date_add": orders["placed"],
                "date_upd": orders["placed"],
            }
        ),
        "ps_order_detail": pd.DataFrame(
            {
                "id_order_detail": number,
                "id_order": lines["order"],
                "product_id": lines["item"],
                "product_attribute_id": 0,
                "product_name": "x",
                "product_quantity": lines["units"],
                "product_quantity_in_stock": 3,
                "product_quantity_return": 0,
                "product_quantity_refunded": 0,
                "product_price": lines["price"],
                "reduction_percent": 0.0,
                "unit_price_tax_incl": lines["price"] * 1.2,
                "unit_price_tax_excl": lines["price"],
                "total_price_tax_excl": lines["price"] * lines["units"],
                "product_weight": 1.0,
            }
        ),
        "ps_order_history": pd.DataFrame(
            {
                "id_order_history": np.arange(len(orders)) + 1,
                "id_employee": 0,
                "id_order": orders["n"],
                "id_order_state": 4,
                "date_add": orders["shipped"],
            }
        ).dropna(subset="date_add"),
        "ps_order_state": pd.DataFrame({"id_order_state": [4, 5], "send_email": 1, "color": "x"}),
        "ps_cart": pd.DataFrame(
            {"id_cart": orders["n"], "id_customer": orders["customer"], "date_add": orders["placed"]}
        ),
        "ps_cart_product": pd.DataFrame(
            {"id_cart": lines["order"], "id_product": lines["item"], "quantity": lines["units"], "date_add": None}
        ),
        "ps_stock_available": pd.DataFrame(
            {"id_stock_available": items["n"], "id_product": items["n"], "id_shop": 1, "quantity": 3}
        ),
    }
    at, line = "ps_orders", "ps_order_detail"
    expected = {
        "orders": {
            "order_id": f"{at}.id_order",
            "customer_id": f"{at}.id_customer",
            "placed_at": f"{at}.date_add",
            "completed_at": f"?{at}.delivery_date",
            "value": f"{at}.total_paid|{at}.total_paid_real|{at}.total_products",
        },
        "order_lines": {
            "order_id": f"{line}.id_order",
            "item_id": f"{line}.product_id",
            "quantity": f"{line}.product_quantity",
            "unit_price": f"{line}.product_price|{line}.unit_price_tax_incl|{line}.unit_price_tax_excl",
        },
        "items": {
            "item_id": "ps_product.id_product",
            "price": "ps_product.price",
            "weight": "ps_product.weight",
            "introduced_at": "?ps_product.date_add",
            "category": "?ps_product.id_category_default",
            "brand": "?ps_product.id_manufacturer",
        },
        "customers": {"customer_id": "ps_customer.id_customer", "signed_up_at": "ps_customer.date_add"},
        "order_events": {
            "order_id": "ps_order_history.id_order",
            "status": "ps_order_history.id_order_state",
            "occurred_at": "ps_order_history.date_add",
        },
    }
    keys = {
        "ps_customer": ("id_customer",),
        "ps_product": ("id_product",),
        at: ("id_order",),
        line: ("id_order_detail",),
        "ps_order_history": ("id_order_history",),
    }
    return Shop("prestashop", tables, expected, keys)


@cache
def portuguese() -> Shop:
    """A Brazilian shop's own tables."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    tables = {
        "clientes": pd.DataFrame(
            {
                "id_cliente": customers["n"],
                "nome": customers["name"],
                "data_cadastro": customers["joined"],
                "cidade": "x",
                "estado": customers["region"],
            }
        ),
        "produtos": pd.DataFrame(
            {
                "id_produto": items["n"],
                "nome": items["title"],
                "categoria": items["category"],
                "marca": items["brand"],
                "preco": items["price"],
                "peso": items["weight"],
                "ativo": True,
            }
        ),
        "pedidos": pd.DataFrame(
            {
                "id_pedido": orders["n"],
                "id_cliente": orders["customer"],
                "data_pedido": orders["placed"],
                "data_entrega_prevista": days(orders["promised"]),
                "data_entrega": orders["delivered"],
                "data_cancelamento": orders["cancelled"],
                "valor_total": orders["total"],
                "situacao": "entregue",
            }
        ),
        "itens_pedido": pd.DataFrame(
            {
                "id_pedido": lines["order"],
                "id_produto": lines["item"],
                "quantidade": lines["units"],
                "preco_unitario": lines["price"],
            }
        ),
        "lojas": pd.DataFrame(
            {"id_loja": [1, 2], "nome": ["A", "B"], "estado": ["BE", "BY"], "latitude": 52.5, "longitude": 13.4}
        ),
        "estoque": one.stock.set_axis(["id_produto", "id_loja", "data", "saldo"], axis=1),
        "fornecedores": pd.DataFrame({"id_fornecedor": [1], "nome": ["F"], "cidade": ["x"]}),
        "funcionarios": pd.DataFrame({"id_funcionario": [1], "nome": ["F"], "data_admissao": orders["placed"][:1]}),
    }
    expected = {
        "orders": {
            "order_id": "pedidos.id_pedido",
            "customer_id": "pedidos.id_cliente",
            "placed_at": "pedidos.data_pedido",
            "promised_at": "pedidos.data_entrega_prevista",
            "completed_at": "pedidos.data_entrega",
            "cancelled_at": "pedidos.data_cancelamento",
            "value": "pedidos.valor_total",
        },
        "order_lines": {
            "order_id": "itens_pedido.id_pedido",
            "item_id": "itens_pedido.id_produto",
            "quantity": "itens_pedido.quantidade",
            "unit_price": "itens_pedido.preco_unitario",
        },
        "items": {
            "item_id": "produtos.id_produto",
            "title": "produtos.nome",
            "category": "produtos.categoria",
            "brand": "produtos.marca",
            "price": "produtos.preco",
            "weight": "produtos.peso",
        },
        "customers": {
            "customer_id": "clientes.id_cliente",
            "signed_up_at": "clientes.data_cadastro",
            "region": "clientes.estado",
        },
        "locations": {
            "location_id": "lojas.id_loja",
            "region": "lojas.estado",
            "latitude": "lojas.latitude",
            "longitude": "lojas.longitude",
        },
        "stock": {
            "item_id": "estoque.id_produto",
            "location_id": "estoque.id_loja",
            "observed_at": "estoque.data",
            "on_hand": "estoque.saldo",
        },
    }
    keys = {"clientes": ("id_cliente",), "produtos": ("id_produto",), "pedidos": ("id_pedido",), "lojas": ("id_loja",)}
    return Shop("portuguese", tables, expected, keys)


@cache
def adventure_works() -> Shop:
    """AdventureWorks, whose names are words run together, with purchase and work orders beside those of customers."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    now = orders["placed"].iloc[-1]
    tables = {
        "customer": pd.DataFrame(
            {
                "customerid": customers["n"],
                "personid": customers["n"],
                "storeid": None,
                "territoryid": 1,
                "modifieddate": now,
            }
        ),
        "product": pd.DataFrame(
            {
                "productid": items["n"],
                "name": items["title"],
                "productnumber": "P" + items["n"].astype(str),
                "makeflag": True,
                "color": "red",
                "safetystocklevel": 10,
                "reorderpoint": 5,
                "standardcost": items["price"] / 2,
                "listprice": items["price"],
                "weight": items["weight"],
                "productsubcategoryid": 1,
                "sellstartdate": items["introduced"],
                "modifieddate": now,
            }
        ),
        "salesorderheader": pd.DataFrame(
            {
                "salesorderid": orders["n"],
                "revisionnumber": 8,
                "orderdate": orders["placed"],
                "duedate": orders["promised"],
                "shipdate": orders["shipped"],
                "status": 5,
                "onlineorderflag": True,
                "customerid": orders["customer"],
                "salespersonid": None,
                "territoryid": 1,
                "billtoaddressid": 1,
                "shiptoaddressid": 1,
                "subtotal": orders["total"],
                "taxamt": 1.0,
                "freight": 2.0,
                "totaldue": orders["total"],
                "modifieddate": now,
            }
        ),
        "salesorderdetail": pd.DataFrame(
            {
                "salesorderid": lines["order"],
                "salesorderdetailid": np.arange(len(lines)) + 1,
                "carriertrackingnumber": "x",
                "orderqty": lines["units"],
                "productid": lines["item"],
                "specialofferid": 1,
                "unitprice": lines["price"],
                "unitpricediscount": 0.0,
                "modifieddate": now,
            }
        ),
        "purchaseorderheader": pd.DataFrame(
            {
                "purchaseorderid": orders["n"][:90] - 1000,
                "status": 1,
                "employeeid": 1,
                "vendorid": 1,
                "orderdate": orders["placed"][:90],
                "shipdate": orders["placed"][:90],
                "subtotal": 1.0,
            }
        ),
        "purchaseorderdetail": pd.DataFrame(
            {
                "purchaseorderid": orders["n"][:90] - 1000,
                "purchaseorderdetailid": orders["n"][:90],
                "duedate": orders["placed"][:90],
                "orderqty": 4,
                "productid": 501,
                "unitprice": 2.0,
            }
        ),
        "workorder": pd.DataFrame(
            {
                "workorderid": [1, 2],
                "productid": 501,
                "orderqty": 4,
                "scrappedqty": 0,
                "startdate": now,
                "enddate": now,
                "duedate": now,
            }
        ),
        "vendor": pd.DataFrame({"businessentityid": [1], "accountnumber": ["V1"], "name": ["V"], "creditrating": 1}),
        "employee": pd.DataFrame({"businessentityid": [1], "loginid": ["e"], "jobtitle": ["x"], "hiredate": now}),
        "salesterritory": pd.DataFrame({"territoryid": [1], "name": ["N"], "countryregioncode": ["DE"]}),
        "productinventory": pd.DataFrame(
            {"productid": items["n"], "locationid": 1, "shelf": "A", "bin": 1, "quantity": 9, "modifieddate": now}
        ),
        "location": pd.DataFrame({"locationid": [1, 2], "name": ["Tool Crib", "Paint"], "costrate": 0.0}),
    }
    at, line = "salesorderheader", "salesorderdetail"
    expected = {
        "orders": {
            "order_id": f"{at}.salesorderid",
            "customer_id": f"{at}.customerid",
            "placed_at": f"{at}.orderdate",
            "promised_at": f"{at}.duedate",
            "value": f"{at}.totaldue|{at}.subtotal",
        },
        "order_events": {"order_id": f"{at}.salesorderid", "status=shipped": f"{at}.shipdate"},
        "order_lines": {
            "order_id": f"{line}.salesorderid",
            "item_id": f"{line}.productid",
            "quantity": f"{line}.orderqty",
            "unit_price": f"{line}.unitprice",
        },
        "items": {
            "item_id": "product.productid",
            "title": "product.name",
            "price": "product.listprice",
            "weight": "product.weight",
            "introduced_at": "?product.sellstartdate",
            "category": "?product.productsubcategoryid",
        },
        "customers": {"customer_id": "customer.customerid"},
        "locations": {"location_id": "?location.locationid"},
        "stock": {
            "item_id": "?productinventory.productid",
            "location_id": "?productinventory.locationid",
            "on_hand": "?productinventory.quantity",
            "observed_at": "?productinventory.modifieddate",
        },
    }
    keys = {
        "customer": ("customerid",),
        "product": ("productid",),
        at: ("salesorderid",),
        line: ("salesorderid", "salesorderdetailid"),
        "purchaseorderheader": ("purchaseorderid",),
        "workorder": ("workorderid",),
        "location": ("locationid",),
    }
    return Shop("adventure_works", tables, expected, keys)


@cache
def click_log() -> Shop:
    """Clicks in the words of web analytics, customers in those of a CRM, orders with their times as text."""
    one = trade()
    orders, lines, items, customers = one.orders, one.lines, one.items, one.customers
    word = {"view": "product_view", "cart": "add_to_cart", "purchase": "purchase"}
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    tables = {
        "stg_web_events": pd.DataFrame(
            {
                "event_id": np.arange(len(one.clicks)),
                "event_time": one.clicks["at"],
                "event_name": one.clicks["what"].map(word),
                "visitor_id": one.clicks["session"],
                "user_id": one.clicks["customer"],
                "product_sku": "S" + one.clicks["item"].astype(str),
                "user_agent": "x",
            }
        ),
        "dim_customer": pd.DataFrame(
            {
                "customer_key": customers["n"],
                "full_name": customers["name"],
                "registration_date": days(customers["joined"]),
                "country": customers["region"],
                "valid_from": customers["joined"],
                "valid_to": None,
            }
        ),
        "dim_product": pd.DataFrame(
            {
                "sku": "S" + items["n"].astype(str),
                "product_name": items["title"],
                "product_category": items["category"],
                "brand_name": items["brand"],
                "list_price": items["price"],
            }
        ),
        "dim_date": pd.DataFrame({"date_key": [20240101], "full_date": ["2024-01-01"], "day_name": ["Monday"]}),
        "fact_orders": pd.DataFrame(
            {
                "order_number": "A-" + orders["n"].astype(str),
                "customer_key": orders["customer"],
                "ordered_at": orders["placed"].dt.strftime(stamp),
                "expected_delivery_at": orders["promised"].dt.strftime(stamp),
                "delivered_at": orders["delivered"].dt.strftime(stamp),
                "canceled_at": orders["cancelled"].dt.strftime(stamp),
                "order_total": orders["total"],
            }
        ),
        "fact_order_lines": pd.DataFrame(
            {
                "order_number": "A-" + lines["order"].astype(str),
                "line_number": lines["position"],
                "sku": "S" + lines["item"].astype(str),
                "qty": lines["units"],
                "net_unit_price": lines["price"],
            }
        ),
        "etl_log": pd.DataFrame({"id": [1], "table_name": ["orders"], "status": ["ok"], "finished_at": ["2024-01-01"]}),
    }
    click, at, line = "stg_web_events", "fact_orders", "fact_order_lines"
    expected = {
        "interactions": {
            "customer_id": f"{click}.user_id",
            "session_id": f"{click}.visitor_id",
            "item_id": f"{click}.product_sku",
            "kind": f"{click}.event_name",
            "occurred_at": f"{click}.event_time",
        },
        "orders": {
            "order_id": f"{at}.order_number",
            "customer_id": f"{at}.customer_key",
            "placed_at": f"{at}.ordered_at",
            "promised_at": f"{at}.expected_delivery_at",
            "completed_at": f"{at}.delivered_at",
            "cancelled_at": f"{at}.canceled_at",
            "value": f"{at}.order_total",
        },
        "order_lines": {
            "order_id": f"{line}.order_number",
            "item_id": f"{line}.sku",
            "quantity": f"{line}.qty",
            "unit_price": f"{line}.net_unit_price",
        },
        "items": {
            "item_id": "dim_product.sku",
            "title": "dim_product.product_name",
            "category": "dim_product.product_category",
            "brand": "dim_product.brand_name",
            "price": "dim_product.list_price",
        },
        "customers": {
            "customer_id": "dim_customer.customer_key",
            "signed_up_at": "dim_customer.registration_date",
            "region": "dim_customer.country",
        },
    }
    return Shop("click_log", tables, expected)


HELD_OUT = (northwind, thelook, prestashop, portuguese, adventure_works, click_log)
