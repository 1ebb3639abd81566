"""From weights to images: a network that is ready to be asked, what each image is asked to show, and the drawing of a batch."""
