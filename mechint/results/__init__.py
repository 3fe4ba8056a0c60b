"""What a run gives back: values, the words and tables they are told in, and the files they are kept in."""
