"""How a report looks, in light and in dark, on a desk and on a telephone."""

from __future__ import annotations

__all__ = ["CSS"]

#: Blue and orange rather than green and red, which many people cannot tell apart.
CSS = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2330; --dim: #586174; --line: #d9dee7;
  --accepted: #2364aa; --wasted: #e07a1f; --rejected: #e07a1f; --expired: #c9a400;
  --unused: #8d99ae; --abandoned: #8a5bb0; --failed: #b02a37;
  --handed_over: #2f8f83;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --card: #1b212b; --ink: #e6e9ef; --dim: #a3adbf; --line: #343d4c;
    --accepted: #5ea0e6; --wasted: #f09a4a; --rejected: #f09a4a; --expired: #e3c54a;
    --unused: #76839b; --abandoned: #b48bd8; --failed: #ea6a77;
    --handed_over: #5fc4b6;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--page);
  color: var(--ink); font: 16px/1.45 system-ui, sans-serif;
}
h1 { margin: 0; font-size: 1.5rem; }
h2 { margin: 0; font-size: 1.1rem; }
p { margin: .2rem 0 .8rem; color: var(--dim); }
section, figure {
  margin: 1rem 0 0; padding: 1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem;
}
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr));
  gap: .6rem; margin: 1rem 0 0;
}
.tiles > div {
  padding: .7rem .8rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem;
}
.tiles dt { color: var(--dim); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.3rem; font-weight: 600; }
.tiles small { display: block; font-size: .8rem; font-weight: 400; color: var(--dim); }
svg { display: block; width: 100%; border-bottom: 1px solid var(--dim); }
.chart { display: grid; grid-template-columns: auto 1fr; gap: 0 .5rem; }
.chart .xs { grid-column: 2; }
.ys, .xs {
  display: flex; justify-content: space-between; color: var(--dim); font-size: .8rem;
  font-variant-numeric: tabular-nums;
}
.ys { flex-direction: column; text-align: right; margin: -.6em 0; white-space: nowrap; }
.legend {
  display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .6rem 0 0; padding: 0;
  list-style: none; font-size: .85rem;
}
.legend i {
  display: inline-block; width: .8em; height: .8em; margin-right: .35em;
  border-radius: .15em;
}
line {
  stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 5 4;
  vector-effect: non-scaling-stroke;
}
.accepted { fill: var(--accepted); background: var(--accepted); }
.wasted { fill: var(--wasted); background: var(--wasted); }
.rejected { fill: var(--rejected); background: var(--rejected); }
.expired { fill: var(--expired); background: var(--expired); }
.unused { fill: var(--unused); background: var(--unused); }
.abandoned { fill: var(--abandoned); background: var(--abandoned); }
.failed { fill: var(--failed); background: var(--failed); }
.handed_over { fill: var(--handed_over); background: var(--handed_over); }
.bars > div {
  display: grid; grid-template-columns: minmax(8rem, 1fr) 2fr 4rem; gap: .6rem;
  align-items: center; padding: .15rem 0; font-size: .9rem;
}
.bars svg { height: 1rem; border: 0; }
.bars b { text-align: right; font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .35rem .5rem; text-align: right; vertical-align: top; }
th { color: var(--dim); font-weight: 600; }
td { white-space: nowrap; }
th:first-child, td:first-child, .text { text-align: left; }
td:first-child, .text { white-space: normal; }
td:first-child, .bars span, summary, li { overflow-wrap: anywhere; }
td:first-child { min-width: 15rem; }
tbody tr { border-top: 1px solid var(--line); }
td { font-variant-numeric: tabular-nums; }
details { border-top: 1px solid var(--line); padding: .4rem 0; }
summary { cursor: pointer; }
footer { margin: 1rem 0; color: var(--dim); font-size: .85rem; }
@media (min-width: 62.01rem) { /* codes of the service are one word */
  table:has(td.text) td:first-child { min-width: 21rem; }
}
@media (max-width: 62rem) { /* the tables would be wider than the page */
  thead { display: none; }
  tr { display: block; padding: .5rem 0; }
  td, td:first-child { display: flex; gap: 1rem; text-align: right; padding: .1rem 0; }
  td { justify-content: space-between; }
  td::before { content: attr(data-head); flex: none; color: var(--dim); }
  td:first-child { font-weight: 600; min-width: 0; text-align: left; }
  .text { white-space: normal; }
  .text span { overflow-wrap: anywhere; }
  td:first-child::before { content: none; }
}
@media (max-width: 40rem) {
  body { padding: .6rem; }
  section, figure { padding: .8rem; }
  .xs span:nth-child(even) { display: none; }
  .bars > div { grid-template-columns: 1fr 4rem; row-gap: .1rem; }
  .bars span { grid-column: 1 / -1; }
}
"""
