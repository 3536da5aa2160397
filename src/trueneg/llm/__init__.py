"""The door to language models: who writes texts, who judges them, and the box that runs what they wrote."""
