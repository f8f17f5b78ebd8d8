"""What sensor fleets know: averages and how far readings lie from them."""
