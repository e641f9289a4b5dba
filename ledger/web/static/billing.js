// What the page can do without: a button that was pressed looks so. That it counts once is the server's to see to.
(function () {
  "use strict";
  document.addEventListener("submit", function (event) {
    if (!event.target.hasAttribute("data-once")) return;
    var button = event.target.querySelector("button");
    button.setAttribute("aria-disabled", "true");
    button.textContent = "One moment …";
  });
  var custom = document.getElementById("custom");
  if (custom) custom.addEventListener("input", function () {
    document.querySelector("input[name=amount][value=custom]").checked = true;
  });
})();
