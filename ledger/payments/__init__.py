"""Money from customers: what a purchase costs, who takes the payment, and what of it becomes credits."""
