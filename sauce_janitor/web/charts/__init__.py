"""Charts: from numbers to the geometry that templates/charts.html draws as SVG."""
