"""What only a notebook needs: parameters, HTML, figures, provenance."""
