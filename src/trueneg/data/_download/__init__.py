"""How a file comes from each place, and how it lands: whole and verified, or not at all."""
