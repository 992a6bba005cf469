-- The tables of "Brazilian E-Commerce Public Dataset by Olist" as its CSV files have them, for SQLite and PostgreSQL.
-- Customers and sellers stand in it without coordinates: two views find these by the zip code.

create table olist_orders (
  order_id text primary key,
  customer_id text,
  order_status text,
  order_purchase_timestamp timestamp,
  order_approved_at timestamp,
  order_delivered_carrier_date timestamp,
  order_delivered_customer_date timestamp,
  order_estimated_delivery_date timestamp
);

create table olist_order_items (
  order_id text,
  order_item_id integer,
  product_id text,
  seller_id text,
  shipping_limit_date timestamp,
  price numeric,
  freight_value numeric,
  primary key (order_id, order_item_id)
);

create table olist_products (
  product_id text primary key,
  product_category_name text,
  product_name_lenght numeric,
  product_description_lenght numeric,
  product_photos_qty numeric,
  product_weight_g numeric,
  product_length_cm numeric,
  product_height_cm numeric,
  product_width_cm numeric
);

create table olist_customers_dataset (
  customer_id text primary key,
  customer_unique_id text,
  customer_zip_code_prefix text,
  customer_city text,
  customer_state text
);

create table olist_sellers_dataset (
  seller_id text primary key,
  seller_zip_code_prefix text,
  seller_city text,
  seller_state text
);

create table olist_geolocation_dataset (
  geolocation_zip_code_prefix text,
  geolocation_lat numeric,
  geolocation_lng numeric,
  geolocation_city text,
  geolocation_state text
);

create view olist_places as
select
  geolocation_zip_code_prefix as zip_code_prefix,
  avg(geolocation_lat) as lat,
  avg(geolocation_lng) as lng
from olist_geolocation_dataset
where geolocation_lat between -34 and 6 and geolocation_lng between -74 and -34  -- a few lie outside Brazil
group by geolocation_zip_code_prefix;

create view olist_customers as
select c.*, p.lat as customer_lat, p.lng as customer_lng
from olist_customers_dataset c
left join olist_places p on p.zip_code_prefix = c.customer_zip_code_prefix;

create view olist_sellers as
select s.*, p.lat as seller_lat, p.lng as seller_lng
from olist_sellers_dataset s
left join olist_places p on p.zip_code_prefix = s.seller_zip_code_prefix;
