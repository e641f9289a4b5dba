// Stands in for Razorpay's Checkout.js: the documented options, with the sandbox's own page in a frame above the shop's.
(function () {
  "use strict";

  var SCRIPT = new URL(document.currentScript.src);
  var EMBEDDED = new URL("checkout/embedded", SCRIPT).href;
  var frames = 0;

  // {prefill: {email: "a"}} → {"prefill[email]": "a"}, as a form is posted.
  function flatten(values, prefix, fields) {
    Object.keys(values || {}).forEach(function (name) {
      var value = values[name];
      var key = prefix ? prefix + "[" + name + "]" : name;
      if (value !== null && typeof value === "object") flatten(value, key, fields);
      else if (value !== undefined && typeof value !== "function") fields[key] = String(value);
    });
    return fields;
  }

  function post(url, fields, target) {
    var form = document.createElement("form");
    form.method = "post";
    form.action = url;
    form.target = target;
    Object.keys(fields).forEach(function (name) {
      var input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = fields[name];
      form.appendChild(input);
    });
    document.body.appendChild(form);
    form.submit();
    form.remove();
  }

  function fieldsOf(options) {
    var names = ["order_id", "amount", "currency", "name", "description", "prefill", "notes", "callback_url", "cancel_url"];
    var fields = { key_id: options.key };
    names.forEach(function (name) {
      if (options[name] !== undefined) flatten({ [name]: options[name] }, "", fields);
    });
    return fields;
  }

  function Razorpay(options) {
    if (!(this instanceof Razorpay)) return new Razorpay(options);
    if (!options || !options.key) throw new Error("No key passed");
    this.options = options;
    this.listeners = {};
    this.onMessage = this.receive.bind(this);
  }

  Razorpay.prototype.on = function (event, listener) {
    (this.listeners[event] = this.listeners[event] || []).push(listener);
    return this;
  };

  Razorpay.prototype.open = function () {
    var fields = fieldsOf(this.options);
    if (this.options.redirect) return post(EMBEDDED, fields, "_top");
    if (this.frame) return this;
    this.frame = document.createElement("iframe");
    this.frame.name = "razorpay-sandbox-" + ++frames;
    this.frame.className = "razorpay-checkout-frame";
    this.frame.title = "Razorpay Checkout";
    this.frame.style.cssText =
      "position:fixed;inset:0;width:100%;height:100%;border:0;z-index:2147483647;background:rgba(0,0,0,.6)";
    document.body.appendChild(this.frame);
    window.addEventListener("message", this.onMessage);
    post(EMBEDDED, Object.assign({ frame: location.origin }, fields), this.frame.name);
    return this;
  };

  Razorpay.prototype.close = function () {
    if (!this.frame) return;
    window.removeEventListener("message", this.onMessage);
    this.frame.remove();
    this.frame = null;
  };

  Razorpay.prototype.receive = function (message) {
    if (!this.frame || message.source !== this.frame.contentWindow || message.origin !== SCRIPT.origin) return;
    var data = message.data;
    if (data.event === "payment.success") this.succeed(data.response);
    if (data.event === "payment.failed") this.emit("payment.failed", data.response);
    if (data.event === "dismissed") this.dismiss();
  };

  Razorpay.prototype.succeed = function (response) {
    this.close();
    if (this.options.handler) this.options.handler(response);
    else if (this.options.callback_url) post(this.options.callback_url, response, "_top");
  };

  Razorpay.prototype.emit = function (event, response) {
    (this.listeners[event] || []).forEach(function (listener) {
      listener(response);
    });
  };

  Razorpay.prototype.dismiss = function () {
    this.close();
    var modal = this.options.modal;
    if (modal && modal.ondismiss) modal.ondismiss();
  };

  window.Razorpay = Razorpay;
})();
