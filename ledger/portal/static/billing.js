// What the page can do without: a button that was pressed looks so. That it counts once is the server's to see to.
(function () {
  "use strict";
  document.addEventListener("submit", function (event) {
    if (!event.target.hasAttribute("data-once")) return;
    var button = event.target.querySelector("button");
    button.setAttribute("aria-disabled", "true");
    button.textContent = "One moment …";
  });
  var here = document.querySelector("header nav [aria-current]");
  if (here) {  // on a phone the navigation is wider than the window
    var nav = here.closest("nav");
    nav.scrollLeft = here.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  }
  var custom = document.getElementById("custom");
  if (custom) custom.addEventListener("input", function () {
    document.querySelector("input[name=amount][value=custom]").checked = true;
  });
})();
