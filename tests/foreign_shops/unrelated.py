"""Tables that have nothing to do with a shop's sales, though many of their words do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from foreign_shops.shop import Shop

_SUBJECTS = """
court_orders work_orders purchase_orders standing_orders order_forms sort_order orders_of_magnitude
stock_prices stock_tickers livestock rolling_stock weather_stations sensor_readings conference_events
event_venues calendars customer_support_tickets customer_surveys customs_declarations product_roadmap
product_managers items_of_agenda agenda_items todo_items line_managers power_lines bus_lines pipeline_runs
location_services users user_sessions sales_leads sales_people salesforce_sync supply_chain_risks
interactions_of_drugs drug_interactions invoices_in payroll bank_transactions ledger_entries patients
appointments prescriptions students enrolments courses flights bookings rooms guests species trees rivers
blog_posts comments tags messages chat_rooms devices firmware migrations audit_log feature_flags api_keys jobs
builds deployments incidents alerts metrics traces spans
"""

SHAPES = (
    {"id": "number", "name": "text", "created_at": "time"},
    {"id": "number", "title": "text", "status": "text", "updated_at": "time", "owner_id": "number"},
    {"key": "text", "value": "text", "valid_from": "time"},
    {"code": "text", "date": "time", "amount": "real", "region": "text"},
    {"id": "number", "parent_id": "number", "position": "number", "label": "text", "price": "real"},
)


def unrelated(copies: int = 4) -> Shop:
    """A few hundred of them, and one with 300 columns."""
    random = np.random.default_rng(2)
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(20), "h")
    values = {
        "number": lambda: np.arange(20),
        "text": lambda: [f"t{n}" for n in random.integers(0, 9, 20)],
        "time": lambda: time,
        "real": lambda: random.random(20),
    }
    tables = {
        f"{subject}{'' if copy == 0 else f'_{copy}'}": pd.DataFrame(
            {name: values[kind]() for name, kind in SHAPES[(place + copy) % len(SHAPES)].items()}
        )
        for place, subject in enumerate(_SUBJECTS.split())
        for copy in range(copies)
    }
    tables["measurements_wide"] = pd.DataFrame({f"channel_{n}": random.random(20) for n in range(300)})
    return Shop("unrelated", tables, {})
