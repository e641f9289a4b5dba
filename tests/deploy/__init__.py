"""What an operator starts: the image, compose.yaml and the systemd units, as far as that goes without their engines."""
