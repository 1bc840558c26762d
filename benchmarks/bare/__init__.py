"""The least a Django view can do and still be durable: what intake is measured against."""
