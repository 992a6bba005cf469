"use strict";
(function () {
  var form = document.getElementById("filter");
  if (!form) return;
  var noun = form.dataset.noun || "item", body = document.getElementById("rows"), more = document.getElementById("more"), found = document.getElementById("found");
  var rows = Array.prototype.map.call(body.rows, function (row, index) {
    return { row: row, rank: index, text: row.textContent.toLowerCase(), name: (row.querySelector(".title") || row.cells[0]).textContent };
  });
  var FIRST = 25, all = rows.length <= FIRST;
  function value(id) { var field = document.getElementById(id); return field ? field.value : ""; }
  function show() {
    var words = value("find").toLowerCase().split(/\s+/).filter(Boolean), place = value("place"), category = value("category"), state = value("state");
    var narrowed = words.length || place || category || state, seen = 0;
    rows.forEach(function (entry) {
      var data = entry.row.dataset;
      var fits = words.every(function (word) { return entry.text.indexOf(word) >= 0; }) && (!place || data.place === place) &&
        (!category || data.category === category) && (!state || (" " + (data.state || "") + " ").indexOf(" " + state + " ") >= 0);
      if (fits) seen += 1;
      entry.row.hidden = !fits || (!all && !narrowed && seen > FIRST);
    });
    more.hidden = all || narrowed;
    document.getElementById("cut").textContent = narrowed ? "Only " + noun + "s that were searched for are printed." :
      all ? "" : "Only the first " + FIRST + " are printed; show all " + rows.length + " on the page to print them.";
    found.textContent = narrowed ? (seen ? seen + " " + noun + (seen === 1 ? "" : "s") : "Nothing found") : "";
  }
  function key(entry, by) { // "-field": numbers, the largest first; "field": text, rows without it last
    return by === "rank" ? entry.rank : by.charAt(0) === "-" ? -(entry.row.dataset[by.slice(1)] || 0) : entry.row.dataset[by] || "\uffff";
  }
  function sort() {
    var by = value("sort");
    rows.sort(function (a, b) {
      if (by === "name") return a.name.localeCompare(b.name);
      var one = key(a, by), other = key(b, by);
      return one < other ? -1 : one > other ? 1 : a.rank - b.rank;
    });
    rows.forEach(function (entry) { body.appendChild(entry.row); });
    show();
  }
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("input", show);
  form.addEventListener("change", sort);
  more.addEventListener("click", function () {
    var next = rows[FIRST].row;
    all = true; show(); next.tabIndex = -1; next.focus();
  });
  form.hidden = false;
  show();
})();
