"""The soak: a platform at work while processes are killed, the disk fills and the remote breaks; then it is judged."""
