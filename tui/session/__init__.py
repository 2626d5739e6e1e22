"""What works for the application off the screen's thread: training, and a thread that opens nets. No Textual."""
