"""Element sets (TLE, OMM) and ground stations: files in and out, and the stations at hand."""
