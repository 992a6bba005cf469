"""The configuration that `init` writes: every table that there is, commented, and valid as it stands."""

TEMPLATE = """\
# Configuration of `forecasting`. Values in force: this file, then FORECASTING_* variables, then options.
# Relative paths are taken from the directory of this file. `forecasting check` says what is wrong with it.

[settings]
# var = "var"                    # models, reports and logs go below it        (FORECASTING_VAR)
# seed = 0                       # the same seed trains the same model         (FORECASTING_SEED)
# log_level = "info"             # debug, info, warning, error                 (FORECASTING_LOG_LEVEL)
# quarantine_limit = 0.05        # more bad rows than this share stop a run    (FORECASTING_QUARANTINE_LIMIT)
# keep_runs = 30                 # published runs kept for each task           (FORECASTING_KEEP_RUNS)
# keep_artifacts = 10            # models kept for each task                   (FORECASTING_KEEP_ARTIFACTS)
# retrain_after_days = 7         # `--retrain auto` trains anew at this age    (FORECASTING_RETRAIN_AFTER_DAYS)
# drift_limit = 0.25             # ... and where data drift (PSI) by more; 0: no (FORECASTING_DRIFT_LIMIT)
# stale_after_hours = 36         # `status` calls a task without a job stale   (FORECASTING_STALE_AFTER_HOURS)
# currency = "€"                 # shown before amounts in reports             (FORECASTING_CURRENCY)

# --- Warehouses: where data stands and where results go -------------------------------------------------------------
# Give one of url, url_env (a variable that holds the URL) and url_file (a file that holds it).

# [warehouses.results]           # the target of everything that is written; SQLite or PostgreSQL
# url = "sqlite:///var/warehouse.db"
# url = "postgresql+psycopg://USER@HOST/DATABASE"

# [warehouses.shop]              # a source is only ever read, and may be any database that SQLAlchemy knows
# url_env = "SHOP_URL"

# --- Sources: your tables under your names --------------------------------------------------------------------------
# customers, items, locations, interactions, orders, order_events, order_lines, sales, stock, supply, calendar, weather.
# A source without a table here is read from the results warehouse, where `forecasting load` puts it.

# [sources.orders]
# warehouse = "shop"
# table = "public.shop_orders"   # or: query = "select ... from ..."
# columns = { order_id = "id", placed_at = "created", cancelled_at = "cancelled" }   # ours = "yours"
# timezone = "Europe/Berlin"     # of times without a zone; UTC by default

# [sources.order_lines]
# warehouse = "shop"
# table = "public.shop_order_lines"
# columns = { item_id = "sku", quantity = "qty" }

# --- Tasks: without any table here, every installed task with its default options -----------------------------------

# [tasks.demand]
# frequency = "D"                # D, W or M
# horizon = 28                   # steps of the frequency
# known_ahead = ["price"]        # columns of `sales` known for the days to come
# features = []                  # the same, known only up to the cutoff
# encoder = "gru"                # or "lstm"

# [tasks.recommendation]
# k = 20                         # items for every customer and session
# exclude_seen = false           # true: nothing that the customer has had to do with
# deny_categories = []           # never to be shown; deny = [] for items
# per_category = 5               # at most so many of one category in a list

# [tasks.churn]
# horizon_days = 90              # nothing bought for so long: lost
# active_days = 180              # customers are watched who bought within so many days
# medium_from = 0.35             # bands of the probability to be lost
# high_from = 0.65
# features = []                  # extra columns of `orders`: numbers, flags or text
# alert_from = "medium"          # the mildest band worth an alert
# alert_cooldown_days = 30.0     # no second alert of the same band for so long
# alert_least_value = 0.0        # no alert where probability x value is smaller
# alert_start_limit = 100        # at most so many on the first night

# [tasks.completion]
# stages = ["placed", "approved", "shipped"]         # statuses of `order_events`; all of them by default
# features = ["carrier"]         # extra columns of `orders`: numbers, flags or text
# country = "DE"                 # its public holidays count beside those of `calendar`
# timezone = "Europe/Berlin"     # where days begin and people work; by default that of the source orders
# lost_after_days = 0.0          # open for longer: lost, no longer forecast; 0: learnt
# encoder = "gru"                # or "lstm"

# [tasks.weekly-demand]          # the same task again under another name
# type = "demand"
# frequency = "W"

# --- Alerts: where they go; secrets come from a variable (..._env) or a file (..._file) -----------------------------

# [alerts.crm]
# kind = "webhook"               # one POST for each alert, signed as www.standardwebhooks.com says
# url = "https://crm.example/hooks/churn"            # or url_env, url_file
# secret_env = "CRM_WEBHOOK_SECRET"                  # whsec_..., from: echo "whsec_$(openssl rand -base64 32)"
# events = ["raised", "closed"]  # ["raised"] by default
# task = "churn"                 # every task's alerts by default

# [alerts.drop]
# kind = "csv"                   # one file for each run
# directory = "var/alerts"

# [alerts.mail]
# kind = "email"                 # one digest for each run
# host = "smtp.example"
# security = "starttls"          # or "ssl", "none"; port = 587
# username = "forecasts"         # with password_env or password_file
# password_env = "SMTP_PASSWORD"
# sender = "forecasts@shop.example"
# recipients = ["crm@shop.example"]
# timeout_seconds = 10           # of every kind: how long a receiver may take to answer
# max_attempts = 12              # of every kind: then a delivery is given up

# [alerts.chat]
# kind = "apprise"               # whatever Apprise knows; needs: pip install 'shop-forecasting[apprise]'
# urls_env = "CHAT_URLS"

# --- Jobs: what `forecasting schedule` runs when it is due, and `forecasting run --job NAME` at once -----------------

# [jobs.nightly-demand]
# task = "demand"                # or report = "all", or alerts = true
# cron = "0 2 * * *"             # minute hour day-of-month month day-of-week; or every = "15m"
# timezone = "Europe/Berlin"
# retrain_after_days = 7
# retries = 2                    # after an error, the first retry_wait_seconds = 60 later, then twice as long each time
# timeout_minutes = 120          # stopped then, and tried again; no limit by default
# jitter_seconds = 0             # start up to so much later, spread by job and slot
# coalesce = true                # of several slots that are due only the latest; false: each in turn
# grace_hours = 24               # a slot older than this is not run any more

# [jobs.morning-pages]
# report = "all"                 # every page of every task
# after = ["nightly-demand"]     # at its slots, once they are done; with a cron of its own, not before that

# [jobs.alerts]
# alerts = true                  # deliver what waits
# every = "15m"
"""
