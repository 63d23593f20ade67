"""From graph to graph: cells that an exporter took apart become recurrent nodes again."""
