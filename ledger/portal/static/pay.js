// Opens the provider's checkout above the page. Without this script, or the provider's, the form leads to its own page.
(function () {
  "use strict";
  var form = document.getElementById("checkout");
  form.addEventListener("submit", function (event) {
    if (!window.Razorpay) return;
    event.preventDefault();
    new window.Razorpay(JSON.parse(form.dataset.options)).open();
  });
})();
