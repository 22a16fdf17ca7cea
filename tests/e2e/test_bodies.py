"""Methods, headers, cookies and bodies cross the whole chain unharmed."""
