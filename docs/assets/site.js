// What scrolls sideways can be scrolled by keys, and the search has a name.
document$.subscribe(() => requestAnimationFrame(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  for (const box of document.querySelectorAll("pre code, .md-typeset__scrollwrap"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}));
