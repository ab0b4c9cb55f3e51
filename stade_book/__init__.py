"""What the book is made with: theory, claims, studies, pages. The library is `stade_nb`."""
