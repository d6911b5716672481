"""Hostile input by the hundred thousand: whatever comes in, one of our errors or a documented exit comes out."""
