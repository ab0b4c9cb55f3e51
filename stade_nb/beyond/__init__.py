"""Methods that are not the paper's: newer ones, and this book's own."""
