"""Files that are downloaded: from several mirrors, resumed, verified, pinned at their first use."""
