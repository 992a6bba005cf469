"""Words of shops in the languages of shops, and what they stand for. A word may stand for several things ("state");
":0.7" says that it does so less clearly. Written without accents, umlauts as ae, oe, ue."""

from __future__ import annotations

_WORDS = {
    # who and what
    "ORDER": (
        "order orders bestellung bestell auftrag auftraege pedido orden commande ordine ordem zamowienie "
        "invoice:.85 rechnung:.8 fatura:.8 factura:.8 facture:.8 fattura:.8 receipt:.75 transaction:.75 "
        "transaktion:.75 purchase:.5 sale:.6 sales:.6 verkauf:.6 venda:.7 venta:.7 vente:.7 bon:.7 beleg:.75 "
        "encomenda compra:.7 booking:.5 so:.5"
    ),
    "ITEM": (
        "item product article artikel produkt produto producto produit prodotto articulo artigo itens sku:.85 "
        "stock_code ware:.8 goods:.8 merchandise:.7 asin:.85 upc:.7 ean:.7 gtin:.7 isbn:.7 variant:.7 part:.5 "
        "prod:.9 material:.6"
    ),
    "SKU": "sku stock_code ean gtin asin isbn upc",
    "LINE": (
        "line lines position positionen pos:.8 detail details posten zeile linha linea ligne riga row:.7 lineitem "
        "entry:.6"
    ),
    "CUSTOMER": (
        "customer client kunde kunden cliente buyer:.9 kaeufer acheteur comprador shopper klient cust user:.85 "
        "benutzer:.85 usuario:.85 utilisateur:.85 member:.8 mitglied:.7 account:.6 person:.55 contact:.5 "
        "consumer:.8 debitor:.7"
    ),
    "LOCATION": (
        "location branch:.95 filiale filialen warehouse:.95 depot:.9 store:.65 shop:.6 loja:.95 tienda:.95 "
        "magasin:.95 negozio:.95 outlet:.85 standort standorte lager:.8 almacen:.9 entrepot:.9 armazem:.9 "
        "center:.6 centre:.6 site:.6 markt:.7 seller:.6 dc:.6"
    ),
    "SELLER": "seller verkaeufer vendedor merchant:.8",
    "SUPPLIER": ("supplier vendor lieferant lieferanten fornecedor proveedor fournisseur fornitore creditor"),
    "EMPLOYEE": (
        "employee staff mitarbeiter personal funcionario empleado salesperson operator manager agent bearbeiter rep"
    ),
    "SESSION": (
        "session visit:.8 sitzung sessao sesion visitor:.9 besucher:.9 visitante:.9 anonymous:.7 cookie:.7 device:.5"
    ),
    "EVENT": (
        "event ereignis evento action:.8 aktion:.7 activity:.7 interaction click klick clickstream behavior behaviour"
    ),
    "CLICK": (
        "interaction click klick clickstream pageview behavior behaviour impression:.6 view:.8 views:.8 page:.5 clique"
    ),
    "STOCK": ("stock inventory inventario bestand lagerbestand estoque existencias inventur warenbestand stockout:.3"),
    "SUPPLY": ("supply replenishment procurement:.8 purchasing:.7 beschaffung nachschub wiederbeschaffung"),
    "CALENDAR": "calendar holiday kalender feiertag calendario feriado festivo ferie",
    "WEATHER": "weather wetter clima tempo:.5 meteo",
    "PAYMENT": "payment zahlung pagamento pago paiement",
    "SHIPMENT": "shipment sendung fulfillment:.8 parcel:.8 fulfilment:.8 lieferschein",
    "CART": "cart basket quote warenkorb carrinho carrito panier checkout wishlist wish",
    "RETURNED": (
        "return returned returns refund refunded retoure retouren devolucao devolucion reembolso retour credit "
        "creditmemo"
    ),
    # what is said of them
    "ID": (
        "id key:.95 no:.9 nr:.9 num:.85 number:.9 nummer:.9 numero:.9 code:.85 uuid guid pk sk:.9 ref:.8 "
        "reference:.7 ident:.9 hash:.8 identifier nro:.9 cod:.85 codigo:.9 kod:.85 uid:.95 nk:.8"
    ),
    "TIME": (
        "date datum data fecha time timestamp datetime at on am ts dt zeit zeitpunkt uhrzeit day tag when moment "
        "quand dia heure jour stichtag stamp hora momento tstamp zeitstempel datetimestamp"
    ),
    "PLACED": ("placed ordered purchase purchased bestellt purchasedate submitted:.85 gekauft bought comprado"),
    "CREATED": (
        "created create creation creado criado erstellt angelegt inserted:.9 added:.95 add:.95 new:.5 anlage "
        "criacao creacion cree"
    ),
    "UPDATED": (
        "updated update modified changed upd geaendert aenderung atualizado actualizado modification modify edited"
    ),
    "PROMISED": (
        "promised promise estimated estimate expected zugesagt voraussichtlich estimada estimado prevista "
        "previsto planned geplant prometido eta due:.95 deadline:.9 required:.85 requested:.7 wunsch:.8 "
        "wunschtermin faellig:.9 soll:.7 target:.7 prevu esperada commitment:.8 limite:.5 requerida"
    ),
    "DELIVERED": (
        "delivered zugestellt geliefert entregue entregado livre_le completed received:.9 arrived:.9 arrival:.8 "
        "completion abgeschlossen:.8 fulfilled:.8 consegnato done:.6 finished:.7 eingetroffen empfangen:.8 "
        "recebido:.9 concluido:.85 ausgeliefert"
    ),
    "DELIVERY": "delivery liefer lieferung lieferdatum entrega livraison consegna",
    "CANCELLED": (
        "cancelled canceled cancel cancellation storniert storno cancelado cancelada cancelamento anulado annule "
        "annulation annulado voided annullato canc cancelacion"
    ),
    "SHIPPED": (
        "shipped ship shipping shipment dispatched dispatch versandt versendet versand enviado envio expedie "
        "expedition sent carrier:.95 transportadora verschickt despachado handed:.7 expedido spedito spedizione"
    ),
    "APPROVED": ("approved approval aprovado aprobado genehmigt freigegeben authorized authorised accepted:.95"),
    "CONFIRMED": "confirmed confirmation bestaetigt confirmado confirme",
    "PAID": "paid bezahlt pago pagado paye captured:.8",
    "PACKED": "packed verpackt gepackt embalado empacado",
    "PICKED": "picked kommissioniert separado",
    "INVOICED": "invoiced billed fakturiert faturado",
    "PROCESSED": "processed verarbeitet processado procesado",
    "CLOSED": "closed archived geschlossen fechado cerrado",
    "STATUS": ("status state:.9 zustand situacao estado:.9 estatus statut stage:.8 phase:.8 stato step:.6"),
    "HISTORY": (
        "history historie log:.9 historico historial verlauf event:.9 changes:.9 journal:.8 tracking:.6 audit:.5"
    ),
    "KIND": (
        "kind type:.8 typ:.8 tipo:.8 event:.85 action:.9 aktion:.85 behavior:.9 behaviour:.9 art:.6 interaction:.85"
    ),
    "QTY": (
        "quantity qty menge anzahl quantidade cantidad quantite units:.85 pieces:.85 stueck:.85 stueckzahl "
        "count:.6 amount:.45 qtd qte ilosc quantita qta unidades:.85 cant pcs:.85 num:.5 volume:.4 nb:.5"
    ),
    "PRICE": ("price preis preco precio prix prezzo cena einzelpreis verkaufspreis unitprice listprice vk:.8 vkpreis"),
    "UNIT": "unit unitario unitaria einzel stueck unitaire each unidade unidad",
    "COST": "cost kosten custo costo cout einkaufspreis ek:.8 einkauf:.9 wholesale:.9 standardcost",
    "TOTAL": (
        "total gesamt totale value:.9 wert:.9 amount:.8 betrag:.9 gesamtbetrag summe:.9 sum:.9 valor:.9 "
        "importe:.9 montant:.9 gesamtpreis umsatz:.8 revenue:.8 subtotal:.8 endbetrag gesamtsumme warenwert:.9 "
        "bestellwert spend:.7"
    ),
    "TAX": "tax vat steuer mwst imposto iva tva",
    "DISCOUNT": "discount rabatt desconto descuento remise reduction coupon gutschein voucher",
    "FREIGHT": "freight fracht frete porto versandkosten postage",
    "TITLE": (
        "title name:.9 bezeichnung titel titulo nome:.9 nombre:.9 nom:.9 label:.7 description:.75 beschreibung:.7 "
        "descricao:.75 descripcion:.75 artikelname produktname libelle designation desc:.65"
    ),
    "CATEGORY": (
        "category kategorie categoria categorie warengruppe:.95 department:.7 group:.75 gruppe:.75 type:.7 typ:.7 "
        "familie:.7 family:.7 grupo:.7 class:.6 rubrik:.8 subcategory:.8 cat:.7 produkttyp:.85 sortiment:.6"
    ),
    "BRAND": (
        "brand marke marca marque manufacturer:.95 hersteller:.95 fabricante:.95 vendor:.85 maker:.9 "
        "fabricant:.95 make:.5"
    ),
    "WEIGHT": "weight gewicht peso poids grams:.8 gramm:.8",
    "REGION": (
        "region state:.95 province bundesland land:.7 country:.85 provincia estado:.95 uf:.9 county:.7 city:.5 "
        "pais:.8 pays:.8 departement:.7 territory:.6 kanton prefecture bezirk:.7 regiao city_name ort:.4 stadt:.5 "
        "cidade:.5 ciudad:.5"
    ),
    "LATITUDE": "latitude lat breitengrad",
    "LONGITUDE": "longitude lng lon long:.7 laengengrad",
    "SIGNUP": (
        "signup registered registration registriert registrierung cadastro joined register signed enrolled:.8 "
        "beitritt registro inscription registrado cadastrado since:.7 seit:.7 optin:.5"
    ),
    "INTRODUCED": (
        "introduced launched launch published publish release released eingefuehrt einfuehrung lancamento "
        "lanzamiento available:.5 listed:.8 selling:.6 sellstart"
    ),
    "SHIPTO": "shipto destination ziel destino destinatario lieferadresse recipient:.8",
    "ORIGIN": "origin herkunft ursprung origem origen",
    "OBSERVED": "observed counted snapshot as_of gezaehlt stichtag inventurdatum measured",
    "ON_HAND": (
        "onhand available:.85 bestand stock saldo:.9 balance:.85 verfuegbar:.85 disponivel:.85 disponible:.85 "
        "estoque existencia inventory:.85 lagerbestand"
    ),
    "ON_ORDER": "onorder incoming:.7 inbound:.7 unterwegs:.6",
    "LEAD": "lead leadtime lieferzeit wiederbeschaffungszeit",
    "DAYS": "days tage dias jours",
    "UTC": "utc gmt",
    "UNIQUE": "unique person master global",
    "TEMPERATURE": "temperature temp temperatur temperatura",
    "RAIN": "precipitation rain rainfall niederschlag regen chuva lluvia prcp mm:.5",
    "CONDITION": "condition wetterlage",
    "PROMOTION": "promotion promo aktion:.7 onpromotion promoted",
    "IN_STOCK": "instock",
    # words that say that it is something else
    "BACKUP": ("backup bak old archive archived tmp temp copy test staging deleted obsolete legacy draft sample"),
    "OTHER": (
        "address adresse endereco billing bill category_translation translation tag tags note notes comment "
        "comments attribute attributes meta option options setting settings email mail phone review reviews "
        "rating seo image images file form forms template schedule report reports parent purchaseorder "
        "procurement work court standing sort budget manager role permission link mapping message language locale "
        "lang currency campaign marketing subscription gift bundle ticket tickets survey length lenght height "
        "width photos zip postal postcode prefix max_count min_count per first last middle compare original open "
        "cumulative average median share percent rate ratio score reserved backordered ordered_total safety "
        "reorder minimum minimal salesman territorytype geolocation device_token"
    ),
    "LOW": "min max",
    # words that say nothing
    "": (
        "tbl table dim fact fct stg raw src dataset entity catalog lookup vw view mart dwh dw ods public main all "
        "list header head kopf koepfe master info data web ecommerce online webshop eshop ecom b2c b2b wp wc ps "
        "xt oc the of de da do des der die das del la le les and und stats base current record records tab t f v "
        "d rel int int8 sales_ woocommerce shopify magento crm erp my our grand net gross real tax_incl default "
        "uf_ row_ app prd prod_ dbo x default_ actual incl excl sequence"
    ),
}


def _parsed() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for concept, words in _WORDS.items():
        for entry in words.split():
            word, _, strength = entry.partition(":")
            found.setdefault(word.replace("_", ""), {})[concept] = float(strength or 1.0)
    return found


WORDS = _parsed()
"""word -> {concept: how clearly it stands for it, in (0, 1]}; the concept "" is a word that says nothing."""
