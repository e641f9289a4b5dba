"""Documents for people: invoices and credit notes as PDF, from one template and with fonts of their own."""
