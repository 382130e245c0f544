"""Takes a model back: sees that it does harm, lets the old one answer again, and says what happened."""
