"""What pictures share: colours and markers, axes, plates and sheets of images."""
