"""The pages that customers see: plain HTML that works without JavaScript, one style sheet, no inline script."""
