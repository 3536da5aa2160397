"""What ``trueneg fit`` can fit: one file a head or rejecter."""
