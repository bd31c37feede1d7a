"""Sources of chest X-rays, and the form in which every model gets them."""
