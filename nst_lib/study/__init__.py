"""Everything around a transfer: experiments in batch, pages to listen to."""
